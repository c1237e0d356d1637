"""One suite for the buckets and queues in memory, and for S3, SQS and Step Functions as moto plays them."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from holdfast.aws.buckets import CanaryS3, EvidenceListingS3, EvidenceS3, RecordsS3, WorkS3
from holdfast.aws.bus import RequestEventBus
from holdfast.aws.queues import ArrivalSqs, HashSqs, StepFunctionsRuns
from holdfast.contracts.arrivals import read_hash_request
from holdfast.domain.custody import ObjectVersion
from holdfast.domain.tags import TagPlan
from holdfast.errors import AwsRefused, AwsUnavailable, ObjectUnreadable
from holdfast.ports import (
    ArrivalQueue,
    Canaries,
    EvidenceBucket,
    EvidenceListing,
    HashQueue,
    ListingMark,
    RecordFiles,
    RecordShelf,
    RequestBus,
    Runs,
    WorkFiles,
)
from tests.fakes.buckets import (
    ArrivalQueueInMemory,
    CanariesInMemory,
    EvidenceInMemory,
    HashQueueInMemory,
    RecordFilesInMemory,
    WorkFilesInMemory,
)
from tests.fakes.platform import RequestBusInMemory, RunsInMemory

SESSION: Any = botocore.session.get_session()
REGION = "eu-central-1"
WHERE = ["in memory", "on AWS"]


def _client(service: str) -> Any:
    return SESSION.create_client(service, region_name=REGION)


def _bucket(s3: Any, name: str, **more: Any) -> str:
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}, **more)
    return name


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        yield _client("s3")


# --- evidence


@dataclass(frozen=True)
class Evidence:
    """An evidence bucket, and what only the vendor and a test can do with it."""

    bucket: EvidenceBucket
    put: Callable[[str, bytes, Mapping[str, str]], ObjectVersion]
    is_locked: Callable[[ObjectVersion], bool]
    listing: EvidenceListing


@pytest.fixture(params=WHERE)
def evidence(request: pytest.FixtureRequest, s3: Any) -> Evidence:
    if request.param == "in memory":
        fake = EvidenceInMemory()
        return Evidence(
            fake,
            lambda key, content, tags: fake.put(key, content, tags=tags),
            lambda v: fake.at(v).is_locked,
            fake,
        )
    name = _bucket(s3, "evidence", ObjectLockEnabledForBucket=True)

    def put(key: str, content: bytes, tags: Mapping[str, str]) -> ObjectVersion:
        answer = s3.put_object(Bucket=name, Key=key, Body=content)
        tag_set = [{"Key": tag, "Value": value} for tag, value in tags.items()]
        if tag_set:
            s3.put_object_tagging(
                Bucket=name, Key=key, VersionId=answer["VersionId"], Tagging={"TagSet": tag_set}
            )
        return ObjectVersion(name, key, answer["VersionId"], len(content))

    def is_locked(version: ObjectVersion) -> bool:
        answer = s3.head_object(Bucket=name, Key=version.key, VersionId=version.version_id)
        return bool(answer.get("ObjectLockLegalHoldStatus") == "ON")

    return Evidence(EvidenceS3(s3), put, is_locked, EvidenceListingS3(s3, bucket=name))


KEYS = ["a/b.wav", "Ordner/ärger & mehr+100%=viel \N{CLAPPER BOARD}.wav", "_holdfast/canary/1"]


@pytest.mark.parametrize("key", KEYS)
def test_this_very_version_is_locked_and_a_repeat_changes_nothing(evidence: Evidence, key: str) -> None:
    first, second = (evidence.put(key, content, {}) for content in (b"first", b"second"))

    for _ in range(2):
        evidence.bucket.lock(first)

    assert evidence.is_locked(first)
    assert not evidence.is_locked(second)


@pytest.mark.parametrize("content", [b"", b"x", b"sound" * 1_000_000])
def test_a_version_is_read_in_pieces_and_whole(evidence: Evidence, content: bytes) -> None:
    version = evidence.put("a.wav", content, {})
    evidence.put("a.wav", b"newer", {})

    with evidence.bucket.open(version) as opened:
        pieces = list(opened.chunks)

    assert hashlib.sha256(b"".join(pieces)).digest() == hashlib.sha256(content).digest()
    assert all(pieces)


def test_every_version_is_listed_with_its_time_and_size_and_delete_markers_are_none(
    evidence: Evidence, s3: Any
) -> None:
    keys = [*KEYS, "ü", "a//b"]
    written = [evidence.put(key, b"x" * size, {}) for size, key in enumerate([*keys, *keys])]
    if isinstance(evidence.listing, EvidenceListingS3):
        s3.delete_object(Bucket="evidence", Key=keys[0])

    page = evidence.listing.page("", None)

    assert {arrival.version for arrival in page.arrivals} == set(written)
    assert {arrival.arrived_at.utcoffset() for arrival in page.arrivals} == {timedelta(0)}
    assert page.after is None


def test_a_listing_keeps_to_its_prefix_and_goes_on_behind_its_mark(evidence: Evidence) -> None:
    for key in ("a/1", "a/1", "a/2", "b/1"):
        evidence.put(key, b"", {})
    everything = [arrival.version for arrival in evidence.listing.page("a/", None).arrivals]

    rests = [
        [
            arrival.version
            for arrival in evidence.listing.page("a/", ListingMark(one.key, one.version_id)).arrivals
        ]
        for one in everything
    ]

    assert [version.key for version in everything] == ["a/1", "a/1", "a/2"]
    assert rests == [everything[1:], everything[2:], []]


class _Paged:
    """An S3 whose pages are short, as botocore gives them."""

    def __init__(self, *pages: Mapping[str, Any]) -> None:
        self.pages = list(pages)
        self.asked: list[Mapping[str, Any]] = []

    def list_object_versions(self, **request: Any) -> Mapping[str, Any]:
        self.asked.append(request)
        return self.pages.pop(0)


def test_a_page_that_is_cut_off_says_where_the_next_begins_and_that_is_asked_for() -> None:
    cut = {"IsTruncated": True, "NextKeyMarker": "k", "NextVersionIdMarker": "v", "Versions": []}
    between_keys = {"IsTruncated": True, "NextKeyMarker": "l"}
    s3 = _Paged(cut, between_keys, {"IsTruncated": False})
    listing = EvidenceListingS3(s3, bucket="evidence")

    first = listing.page("p", None)
    second = listing.page("p", first.after)
    last = listing.page("p", second.after)

    assert (first.after, second.after, last.after) == (ListingMark("k", "v"), ListingMark("l", ""), None)
    where = {"Bucket": "evidence", "Prefix": "p"}
    assert s3.asked == [
        where,
        {**where, "KeyMarker": "k", "VersionIdMarker": "v"},
        {**where, "KeyMarker": "l"},
    ]


class _Refusing:
    """An S3 that does not give an object's bytes."""

    def __init__(self, code: str) -> None:
        self.code = code

    def get_object(self, **_: str) -> None:
        raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, "GetObject")


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("InvalidObjectState", "restore it"),
        ("AccessDenied", "mend the key"),
        ("KMS.DisabledException", "mend the key"),
        ("KMS.KMSInvalidStateException", "mend the key"),
    ],
)
def test_what_s3_keeps_to_itself_is_said_with_what_to_do(code: str, advice: str) -> None:
    bucket = EvidenceS3(_Refusing(code))

    with (
        pytest.raises(ObjectUnreadable, match=rf"\({code}\).*{advice}"),
        bucket.open(ObjectVersion("b", "secret-key", "v", 1)),
    ):
        raise AssertionError("there is nothing to read")


@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "NoSuchVersion", "KMS.ThrottlingException"])
def test_other_refusals_are_left_to_the_repetition(code: str) -> None:
    bucket = EvidenceS3(_Refusing(code))

    with pytest.raises(ClientError), bucket.open(ObjectVersion("b", "k", "v", 1)):
        raise AssertionError("there is nothing to read")


def test_what_is_read_says_whether_there_are_tags(evidence: Evidence) -> None:
    bare, tagged = evidence.put("a", b"x", {}), evidence.put("b", b"x", {"owner": "them", "empty": ""})

    with evidence.bucket.open(bare) as one, evidence.bucket.open(tagged) as other:
        assert (one.has_tags, other.has_tags) == (False, True)
    assert evidence.bucket.foreign_tags(bare) == {}
    assert evidence.bucket.foreign_tags(tagged) == {"owner": "them", "empty": ""}


def test_a_set_of_tags_replaces_what_was_there_on_this_version_alone(evidence: Evidence) -> None:
    version, newer = evidence.put("a", b"x", {"owner": "them"}), evidence.put("a", b"y", {})

    for _ in range(2):
        evidence.bucket.tag(version, TagPlan({"legal-hold": "on", "recording-id": "r"}, ()))

    assert evidence.bucket.foreign_tags(version) == {"legal-hold": "on", "recording-id": "r"}
    assert evidence.bucket.foreign_tags(newer) == {}


def test_a_version_that_does_not_exist_is_an_error_everywhere(evidence: Evidence) -> None:
    gone = ObjectVersion("evidence", "never", "v9", 1)

    with pytest.raises(Exception, match=r".*"), evidence.bucket.open(gone):
        pass
    with pytest.raises(Exception, match=r".*"):
        evidence.bucket.tag(gone, TagPlan({}, ()))


# --- canaries


@pytest.mark.parametrize("kind", WHERE)
def test_a_canary_is_put_once(kind: str, s3: Any) -> None:
    fake, key = EvidenceInMemory(), "_holdfast/canary/2026-03-05/ab/cd.txt"
    name = _bucket(s3, "evidence", ObjectLockEnabledForBucket=True)
    canaries: Canaries = CanariesInMemory(fake) if kind == "in memory" else CanaryS3(s3, bucket=name)
    listing: EvidenceListing = fake if kind == "in memory" else EvidenceListingS3(s3, bucket=name)

    for content in (b"tweet", b"another"):
        canaries.put_once(key, content)

    (arrival,) = listing.page("", None).arrivals
    assert (arrival.version.key, arrival.version.size_bytes) == (key, len(b"tweet"))


class _PutRefused:
    """An S3 that takes nothing."""

    def __init__(self, code: str) -> None:
        self.code = code

    def put_object(self, **_: object) -> None:
        raise ClientError({"Error": {"Code": self.code, "Message": "explicit deny"}}, "PutObject")


@pytest.mark.parametrize("code", ["AccessDenied", "KMS.DisabledException"])
def test_a_canary_that_is_denied_says_so_in_the_words_of_aws(code: str) -> None:
    with pytest.raises(AwsRefused, match=f"PutObject: {code}: explicit deny"):
        CanaryS3(_PutRefused(code), bucket="b").put_once("k", b"")


def test_a_canary_that_may_be_taken_later_is_left_to_the_repetition() -> None:
    with pytest.raises(ClientError):
        CanaryS3(_PutRefused("SlowDown"), bucket="b").put_once("k", b"")


# --- work and records


@pytest.fixture(params=WHERE)
def work(request: pytest.FixtureRequest, s3: Any) -> WorkFiles:
    return WorkFilesInMemory() if request.param == "in memory" else WorkS3(s3, bucket=_bucket(s3, "work"))


@pytest.fixture(params=WHERE)
def records(request: pytest.FixtureRequest, s3: Any) -> RecordFiles:
    if request.param == "in memory":
        return RecordFilesInMemory()
    return RecordsS3(s3, bucket=_bucket(s3, "records", ObjectLockEnabledForBucket=True))


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"a\n" * 1000])
def test_a_work_file_reads_back_and_may_be_written_again(work: WorkFiles, content: bytes) -> None:
    assert work.read("matters/M/requests/R:1/x.json") is None

    for _ in range(2):
        work.write("matters/M/requests/R:1/x.json", content)

    assert work.read("matters/M/requests/R:1/x.json") == content


@pytest.mark.parametrize("lines", [[], [b"{}"], [b'{"a":1}', b'{"b":"\xc3\xa4"}']])
def test_a_record_is_its_lines_each_with_its_end(records: RecordFiles, lines: list[bytes]) -> None:
    content = b"".join(line + b"\n" for line in lines)

    file = records.write_once("matters/M/custody.jsonl", iter(lines))

    assert (file.key, file.size_bytes) == ("matters/M/custody.jsonl", len(content))
    assert file.sha256 == hashlib.sha256(content).hexdigest()


def test_a_record_is_written_once_and_a_repeat_answers_what_stands(records: RecordFiles) -> None:
    first = records.write_once("x.jsonl", [b"first"])

    assert records.write_once("x.jsonl", [b"second", b"longer"]) == first


@pytest.fixture(params=WHERE)
def shelf(request: pytest.FixtureRequest, s3: Any) -> RecordShelf:
    if request.param == "in memory":
        return RecordFilesInMemory()
    return RecordsS3(s3, bucket=_bucket(s3, "records", ObjectLockEnabledForBucket=True))


@pytest.mark.parametrize("size_bytes", [0, 1, 3 << 20])
def test_a_file_on_the_shelf_is_read_as_it_was_put(shelf: RecordShelf, size_bytes: int) -> None:
    content = bytes(range(256)) * (size_bytes // 256) + b"x" * (size_bytes % 256)

    file = shelf.put_once("packages/M/data/x", iter([content[:7], content[7:]]))

    assert (file.size_bytes, file.sha256) == (size_bytes, hashlib.sha256(content).hexdigest())
    assert b"".join(shelf.read("packages/M/data/x") or ()) == content


def test_what_is_not_on_the_shelf_is_none(shelf: RecordShelf) -> None:
    assert shelf.read("packages/M/data/x") is None


def test_a_second_file_of_a_name_changes_nothing_and_its_chunks_are_read_all_the_same(
    shelf: RecordShelf,
) -> None:
    first = shelf.put_once("x", [b"first"])
    chunks = iter([b"second", b"and longer"])

    assert shelf.put_once("x", chunks) == first

    assert list(chunks) == []
    assert b"".join(shelf.read("x") or ()) == b"first"


# --- queues and runs


@pytest.mark.parametrize("kind", WHERE)
def test_a_request_for_a_digest_arrives_as_it_was_sent(kind: str, s3: Any) -> None:
    large = ObjectVersion("evidence", "ä+ %.webm", "v1", 2**33)
    fake, sqs = HashQueueInMemory(), _client("sqs")
    url = sqs.create_queue(QueueName="hash")["QueueUrl"]
    queue: HashQueue = fake if kind == "in memory" else HashSqs(sqs, queue_url=url)

    queue.send(large)

    waiting = (
        fake.waiting
        if kind == "in memory"
        else [read_hash_request(one["Body"]) for one in sqs.receive_message(QueueUrl=url)["Messages"]]
    )
    assert waiting == [large]


@pytest.mark.parametrize("kind", WHERE)
def test_a_notification_arrives_as_it_was_sent(kind: str, s3: Any) -> None:
    fake, sqs = ArrivalQueueInMemory(), _client("sqs")
    url = sqs.create_queue(QueueName="arrivals")["QueueUrl"]
    queue: ArrivalQueue = fake if kind == "in memory" else ArrivalSqs(sqs, queue_url=url)

    queue.send('{"Records": "ä"}')

    waiting = (
        fake.bodies
        if kind == "in memory"
        else [one["Body"] for one in sqs.receive_message(QueueUrl=url)["Messages"]]
    )
    assert waiting == ['{"Records": "ä"}']


@pytest.mark.parametrize("kind", WHERE)
def test_a_run_is_alive_while_it_runs_and_one_that_nobody_remembers_is_not(kind: str, s3: Any) -> None:
    client = _client("stepfunctions")
    machine = client.create_state_machine(
        name="preserve",
        definition='{"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 1, "End": true}}}',
        roleArn="arn:aws:iam::123456789012:role/x",
    )["stateMachineArn"]
    running, ended = (
        client.start_execution(stateMachineArn=machine, name=name)["executionArn"] for name in ("a", "b")
    )
    client.stop_execution(executionArn=ended)
    runs: Runs = RunsInMemory({running}, {ended}) if kind == "in memory" else StepFunctionsRuns(client)

    assert runs.is_alive(running)
    assert not runs.is_alive(ended)
    assert not runs.is_alive(running.removesuffix(":a") + ":never")
    assert not runs.has_broken_off(running)
    assert runs.has_broken_off(ended)
    assert not runs.has_broken_off(running.removesuffix(":a") + ":never")


@pytest.mark.parametrize("kind", WHERE)
def test_a_discovery_request_arrives_on_its_bus_as_it_was_sent(kind: str, s3: Any) -> None:
    detail = {"matter_id": "M-1", "title": "ä \N{CLAPPER BOARD}", "scope": {"include_screen": True}}
    fake, events, sqs = RequestBusInMemory(), _client("events"), _client("sqs")
    events.create_event_bus(Name="requests")
    url = sqs.create_queue(QueueName="requests")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = json.dumps({"source": ["holdfast"], "detail-type": ["DiscoveryRequested"]})
    events.put_rule(Name="requested", EventBusName="requests", EventPattern=pattern)
    events.put_targets(Rule="requested", EventBusName="requests", Targets=[{"Id": "queue", "Arn": arn}])
    bus: RequestBus = fake if kind == "in memory" else RequestEventBus(events, name="requests")

    bus.request(json.dumps(detail).encode())

    arrived = (
        fake.sent
        if kind == "in memory"
        else [json.loads(one["Body"])["detail"] for one in sqs.receive_message(QueueUrl=url)["Messages"]]
    )
    assert arrived == [detail]


def test_an_event_that_the_bus_does_not_take_is_not_taken_for_sent() -> None:
    class FullBus:
        def put_events(self, Entries: Any) -> Any:  # noqa: N803 - botocore's name
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]}

    with pytest.raises(AwsUnavailable, match="ThrottlingException"):
        RequestEventBus(FullBus(), name="requests").request(b"{}")
