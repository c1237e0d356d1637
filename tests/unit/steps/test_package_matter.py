import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import bagit
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from holdfast.domain.seals import seal_key
from holdfast.errors import LedgerRuleBroken
from holdfast.evidence.verifier import verify
from holdfast.ports import Counter
from tests.events import load_event
from tests.fakes.effects import Effects, Killed
from tests.fakes.house import EXECUTION, MATTER, House
from tests.fakes.story import deliver, end_job, held, plan, planned, reconciled
from tests.packages import sealed_matter
from tests.unit.steps.test_releases import judged, released

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:bagit")
FOLDER = f"packages/{MATTER}/000001/"


def _sealed(*numbers: int) -> House:
    house = held(*(numbers or (1, 2)))
    assert house.seal_custody().done
    assert house.seal_matter().done
    return house


def _package(house: House, sequence: int = 1) -> dict[str, bytes]:
    folder = f"packages/{MATTER}/{sequence:06d}/"
    return {
        key.removeprefix(folder): content
        for key, content in house.records.files.items()
        if key.startswith(folder)
    }


def _on_disk(house: House, folder: Path, sequence: int = 1) -> Path:
    """Write the package to disk, and fill its holes with what the evidence bucket has."""
    package = _package(house, sequence)
    files = package | {
        line.split(" ", 2)[2]: _content(house, line) for line in package["fetch.txt"].decode().splitlines()
    }
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder


def _content(house: House, line: str) -> bytes:
    key = line.split(" ", 1)[0].partition(f"{house.evidence.name}/")[2].partition("?")[0]
    (content,) = [
        stored.content
        for (stored_key, _), stored in house.evidence.stored.items()
        if stored_key == key.replace("%3D", "=")
    ]
    return content


def test_the_package_is_a_bag_that_is_valid_once_its_media_are_there(tmp_path: Path) -> None:
    house = _sealed(1, 2)

    packed = house.package_matter()

    assert (packed.package_key, packed.sequence) == (FOLDER.rstrip("/"), 1)
    assert bagit.Bag(str(_on_disk(house, tmp_path))).validate()
    assert len([path for path in tmp_path.glob("data/media/*/*") if path.is_file()]) == 4
    assert house.telemetry.counts[Counter.PACKAGES_WRITTEN] == 1


def test_the_verifier_finds_nothing_wrong_with_or_without_the_media(tmp_path: Path) -> None:
    house = sealed_matter()

    packed = house.package_matter()

    whole = _on_disk(house, tmp_path / "whole", packed.sequence)
    shutil.copytree(whole, tmp_path / "without")
    shutil.rmtree(tmp_path / "without/data/media")

    for folder in (whole, tmp_path / "without"):
        assert verify(folder, key=house.signer.public_key().pem).faults == []


def test_what_was_sealed_is_in_it_byte_for_byte() -> None:
    house = _sealed(1, 2)

    house.package_matter()

    package, records = _package(house), house.records.files
    matter = f"matters/{MATTER}"
    assert package["data/segments/000001.jsonl"] == records[f"{matter}/segments/000001.jsonl"]
    assert package["data/seals/000001.json"] == records[f"{matter}/seals/000001.json"]
    assert package["data/seals/000001.sig"] == records[f"{matter}/seals/000001.sig"]
    assert package["data/public-key.pem"] == house.signer.public_key().pem
    for name in ("request.json", "exceptions.jsonl", "account.jsonl"):
        assert package[f"data/requests/0001/{name}"] == records[f"{matter}/requests/R-1/{name}"]
    assert json.loads(package["data/requests/0001/summary.json"]) == house.request.summary


def test_the_signature_covers_every_file_through_the_list_of_lists() -> None:
    house = _sealed(1, 2)

    house.package_matter()

    package = _package(house)
    key = load_pem_public_key(package["data/public-key.pem"])
    assert isinstance(key, EllipticCurvePublicKey)
    key.verify(package["package.sig"], package["package.json"], ECDSA(SHA256()))
    statement = json.loads(package["package.json"])
    assert statement["tagmanifest_sha256"] == hashlib.sha256(package["tagmanifest-sha256.txt"]).hexdigest()
    assert statement["seal"] == {
        "sequence": 1,
        "sha256": hashlib.sha256(house.records.files[seal_key(MATTER, 1)]).hexdigest(),
    }
    listed = "".join(package[name].decode() for name in ("tagmanifest-sha256.txt", "manifest-sha256.txt"))
    assert {line.split("  ")[1] for line in listed.splitlines() if "data/media/" not in line} == (
        package.keys() - {"tagmanifest-sha256.txt", "package.json", "package.sig"}
    )


def test_the_report_and_the_load_file_speak_of_the_matter() -> None:
    house = _sealed(1, 2)

    house.package_matter()

    package = _package(house)
    assert b"Complaint about a disputed order" in package["data/report.html"]
    assert package["data/loadfile/objects.csv"].count(b"\r\n") == 1 + 4
    assert b"M-2026-001" in package["data/CERTIFICATION-DRAFT.txt"]
    assert house.signer.public_key().sha256.encode() in package["data/HOW-TO-VERIFY.md"]


def test_a_later_seal_has_a_package_of_its_own_and_both_requests_are_in_it() -> None:
    house = _sealed(1, 2)
    house.package_matter()
    first = _package(house)
    assert house.for_request(MATTER, "R-2").package_matter().sequence == 1  # nothing new is sealed
    _next_request(house)

    packed = house.package_matter()

    assert packed.sequence == 2
    assert _package(house) == first
    second = f"packages/{MATTER}/000002/data"
    assert f"{second}/segments/000002.jsonl" in house.records.files
    numbers = {key.split("/")[5] for key in house.records.files if key.startswith(f"{second}/requests/")}
    assert numbers == {"0001", "0002"}


def _next_request(house: House) -> None:
    """Have another request of the matter accounted for: a conversation of before, and one more."""
    house.clock.forward(timedelta(hours=1))
    event = load_event("discovery_requested")
    event["detail"]["request_id"] = "R-2"
    other = house.for_request(MATTER, "R-2")
    assert other.open_request(event).outcome == "OPENED"
    plan(other, (1, 3))
    end_job(other, total=1)
    deliver(other, 3)
    assert other.reconcile().done
    assert other.place_holds().done
    assert other.confirm_holds().done
    assert other.seal_custody().done
    assert other.seal_matter().done


def test_a_repeat_changes_nothing_and_signs_nothing() -> None:
    house = _sealed(1)
    first = house.package_matter()
    house.signer.effects = Effects()
    before = dict(house.records.files)

    assert house.package_matter() == first

    assert house.records.files == before
    assert house.signer.effects.log == []


def test_a_package_that_was_cut_off_anywhere_is_completed_to_the_same() -> None:
    whole = _sealed(1)
    whole.package_matter()
    steps = len(_package(whole)) + 1

    for crash in range(1, steps + 1):
        house = _sealed(1)
        house.records.effects = house.signer.effects = Effects()
        house.records.effects.crash_before = crash
        with pytest.raises(Killed):
            house.package_matter()
        house.records.effects.crash_before = None
        house.clock.forward(timedelta(minutes=1))

        house.package_matter()

        again = _package(house)
        assert again.keys() == _package(whole).keys()
        key = load_pem_public_key(again["data/public-key.pem"])
        assert isinstance(key, EllipticCurvePublicKey)
        key.verify(again["package.sig"], again["package.json"], ECDSA(SHA256()))
        tags = hashlib.sha256(again["tagmanifest-sha256.txt"]).hexdigest()
        assert json.loads(again["package.json"])["tagmanifest_sha256"] == tags


def test_a_matter_without_a_seal_has_no_package() -> None:
    house = held(1)

    with pytest.raises(LedgerRuleBroken, match="expected a seal of matter M-2026-001, found none"):
        house.package_matter()


def test_a_seal_that_is_being_written_does_not_count_yet() -> None:
    house = _sealed(1)
    house.records.files[seal_key(MATTER, 2)] = b"{}\n"

    assert house.package_matter().sequence == 1


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda files: files.pop(f"matters/{MATTER}/segments/000001.jsonl"), "found nothing"),
        (
            lambda files: files.update({f"matters/{MATTER}/segments/000001.jsonl": b"{}\n"}),
            "to have SHA-256",
        ),
        (
            lambda files: files.update({f"matters/{MATTER}/requests/R-1/account.jsonl": b""}),
            "to have SHA-256",
        ),
        (
            lambda files: [files.pop(key) for key in list(files) if key.startswith("keys/")],
            "public key of the seals",
        ),
    ],
)
def test_what_is_not_what_was_sealed_is_not_signed(
    spoil: Callable[[dict[str, bytes]], object], said: str
) -> None:
    house = _sealed(1)
    spoil(house.records.files)

    with pytest.raises(LedgerRuleBroken, match=said):
        house.package_matter()

    assert "package.sig" not in _package(house)


def test_a_request_in_parts_is_packed_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.steps.seal_custody.PART_CONVERSATIONS", 1)
    house = planned((1,), (2,))
    for index in (0, 1):
        end_job(house, index, total=1)
        deliver(house, index + 1)
    assert house.reconcile().done
    assert house.place_holds().done
    assert house.confirm_holds().done
    assert house.seal_custody().done
    assert house.seal_matter().done

    house.package_matter()

    package = _package(house)
    listed = package["data/requests/0001/account.sha256"].decode().splitlines()
    assert len(listed) > 1
    for line in listed:
        digest, _, name = line.partition("  ")
        assert hashlib.sha256(package[f"data/requests/0001/{name}"]).hexdigest() == digest
    assert b"data-list" in package["data/report.html"]


def test_the_files_of_a_later_attempt_are_found_where_it_wrote_them() -> None:
    house = reconciled(1)
    house.requests.fail(MATTER, house.run.request_id, EXECUTION, "it broke")
    assert house.open_request(execution_arn="arn:execution:2").outcome == "OPENED"
    plan(house, (1,))
    assert house.reconcile().done
    assert house.place_holds().done
    assert house.confirm_holds().done
    assert house.seal_custody().done
    assert house.seal_matter().done

    house.package_matter()

    source = f"matters/{MATTER}/requests/R-1/attempt-2/account.jsonl"
    assert _package(house)["data/requests/0001/account.jsonl"] == house.records.files[source]


def test_a_release_is_told_with_its_plan_and_certificate(tmp_path: Path) -> None:
    house = judged(1, 2)
    released(house)
    assert house.seal_matter().done

    packed = house.package_matter()

    package = _package(house, packed.sequence)
    (entry,) = [
        entry
        for path, content in package.items()
        if path.startswith("data/segments/")
        for entry in map(json.loads, content.splitlines())
        if entry["kind"] == "release"
    ]
    folder = f"releases/{MATTER}/{entry['release_id']}"
    for file in entry["files"]:
        assert (
            package[f"data/releases/0001/{file['name']}"] == house.records.files[f"{folder}/{file['name']}"]
        )
    assert b"a release has lifted the lock since" in package["data/report.html"]
    assert package["data/loadfile/objects.csv"].count(b",RELEASED,") == 4
    folder_on_disk = _on_disk(house, tmp_path, packed.sequence)
    assert verify(folder_on_disk, key=house.signer.public_key().pem).faults == []
