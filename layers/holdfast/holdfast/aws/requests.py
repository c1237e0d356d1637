"""Matters, requests and batches in the ledger.

Items: `MATTER#m`/`META`, `MATTER#m`/`REQUEST#r`, `MATTER#m`/`BATCH#r#b`; `MATTERS`/`m` lists the matters.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import batched

from holdfast.aws.table import Item, Table, one_of
from holdfast.domain.ids import (
    BatchId,
    ExportJobId,
    MatterId,
    ReleaseId,
    RequestId,
    batch_prefix,
    origin_of,
)
from holdfast.domain.moments import from_text, to_text
from holdfast.domain.states import (
    BATCH_MOVES,
    REQUEST_MOVES,
    BatchState,
    MatterStatus,
    RequestState,
    has_passed,
    sources,
)
from holdfast.errors import LedgerRuleBroken, MatterReleasing
from holdfast.ports import BatchRecord, MatterRecord, RequestRecord

_LIST = "MATTERS"
_OF_MATTER = ("pk", "title", "status", "opened_at", "open_requests", "requests", "release_id")


def _matter_key(matter_id: MatterId) -> str:
    return f"MATTER#{matter_id}"


class RequestLedger:
    """Implements `ports.RequestBook`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def open(self, record: RequestRecord, title: str, *, instead_of: str | None = None) -> RequestRecord:
        """List and write the matter if it is new, then the request on its condition, and count it."""
        pk = _matter_key(record.matter_id)
        self._table.put_new({"pk": _LIST, "sk": record.matter_id})
        opened_at = to_text(record.opened_at)
        self._table.put_new(
            {"pk": pk, "sk": "META", "title": title, "status": MatterStatus.OPEN, "opened_at": opened_at}
        )
        standing = self.find(record.matter_id, record.request_id)
        if standing is None:
            writing = self._table.putting_new(_request_item(record))
        elif not _may_take_over(record, standing, instead_of):
            return standing
        else:
            record = replace(record, attempt=standing.attempt + 1)
            writing = self._table.putting(
                _request_item(record),
                "execution_arn = :theirs AND #state = :state",
                {":theirs": standing.execution_arn, ":state": standing.state},
            )
        is_open_already = standing is not None and not standing.state.is_terminal
        counting = self._table.updating(
            pk,
            "META",
            "SET #status = :open ADD open_requests :more, requests :one",
            "#status <> :releasing",
            {
                ":open": MatterStatus.OPEN,
                ":releasing": MatterStatus.RELEASING,
                ":more": 0 if is_open_already else 1,
                ":one": 1,
            },
        )
        if self._table.transact(writing, counting):
            return record
        matter = self._table.get(pk, "META")
        if matter and matter["status"] == MatterStatus.RELEASING:
            raise MatterReleasing(
                f"matter {record.matter_id} is being released; send request {record.request_id} after that"
            )
        return self.read(record.matter_id, record.request_id)

    def matters(self) -> Iterator[MatterRecord]:
        """Go through the list, a hundred a call; what was listed and not yet written is no matter."""
        listed = (item["sk"] for item in self._table.query(_LIST))
        for matter_ids in batched(listed, 100, strict=False):
            keys = ((_matter_key(one), "META") for one in matter_ids)
            found = self._table.get_many(keys, _OF_MATTER)
            yield from sorted(map(_matter, found), key=lambda one: one.matter_id)

    def matter(self, matter_id: MatterId) -> MatterRecord | None:
        """Read a matter."""
        item = self._table.get(_matter_key(matter_id), "META")
        return None if item is None else _matter(item)

    def of_matter(self, matter_id: MatterId) -> Sequence[RequestRecord]:
        """Read all requests of the matter's partition."""
        items = self._table.query(_matter_key(matter_id), "REQUEST#")
        return sorted((_request(matter_id, item) for item in items), key=lambda one: one.opened_at)

    def read(self, matter_id: MatterId, request_id: RequestId) -> RequestRecord:
        """Read a request."""
        record = self.find(matter_id, request_id)
        if record is None:
            raise LedgerRuleBroken(
                f"expected request {request_id} of matter {matter_id} in the ledger, found none"
            )
        return record

    def find(self, matter_id: MatterId, request_id: RequestId) -> RequestRecord | None:
        """Read a request that may not exist yet."""
        item = self._table.get(_matter_key(matter_id), f"REQUEST#{request_id}")
        return None if item is None else _request(matter_id, item)

    def advance(
        self,
        record: RequestRecord,
        state: RequestState,
        *,
        exceptions: Sequence[str] = (),
        summary: Mapping[str, object] | None = None,
    ) -> None:
        """Write the new state, on condition that the standing one may move there; count the end of one."""
        before = sources(REQUEST_MOVES, state) - ({state} if state.is_terminal else set())
        may_come_from, values = one_of("#state", before)
        update = "SET #state = :state"
        values[":state"] = state
        extra: dict[str, object] = {}
        if exceptions:
            update, extra = update + ", #exceptions = :exceptions", extra | {":exceptions": list(exceptions)}
        if summary is not None:
            update, extra = update + ", summary = :summary", extra | {":summary": json.dumps(summary)}
        pk, sk = _matter_key(record.matter_id), f"REQUEST#{record.request_id}"
        if not self._write(pk, sk, update, may_come_from, values | extra, is_end=state.is_terminal):
            current = self.read(record.matter_id, record.request_id).state
            if current is state:
                return
            if current is RequestState.FAILED or not has_passed(REQUEST_MOVES, current, state):
                raise LedgerRuleBroken(f"request {record.request_id}: {current} may not become {state}")

    def fail(self, matter_id: MatterId, request_id: RequestId, execution_arn: str, explanation: str) -> bool:
        """Write FAILED, on condition that the execution owns the request and has not ended it."""
        before = sources(REQUEST_MOVES, RequestState.FAILED) - {RequestState.FAILED}
        may_come_from, values = one_of("#state", before)
        was_written = self._write(
            _matter_key(matter_id),
            f"REQUEST#{request_id}",
            "SET #state = :state, explanation = :explanation",
            f"execution_arn = :mine AND {may_come_from}",
            values | {":state": RequestState.FAILED, ":mine": execution_arn, ":explanation": explanation},
            is_end=True,
        )
        if was_written:
            return True
        standing = self.find(matter_id, request_id)
        is_mine = standing is not None and standing.execution_arn == execution_arn
        return is_mine and standing is not None and standing.state is RequestState.FAILED

    def _write(
        self, pk: str, sk: str, update: str, condition: str, values: Mapping[str, object], *, is_end: bool
    ) -> bool:
        if not is_end:
            return self._table.update(pk, sk, update, condition, values)
        return self._table.transact(
            self._table.updating(pk, sk, update, condition, values),
            self._table.updating(
                pk, "META", "ADD open_requests :less", "attribute_exists(pk)", {":less": -1}
            ),
        )


def _matter(item: Item) -> MatterRecord:
    return MatterRecord(
        MatterId(item["pk"].removeprefix("MATTER#")),
        item["title"],
        MatterStatus(item["status"]),
        from_text(item["opened_at"]),
        item.get("open_requests", 0),
        item.get("requests", 0),
        ReleaseId(item["release_id"]) if "release_id" in item else None,
    )


def _request(matter_id: MatterId, item: Item) -> RequestRecord:
    return RequestRecord(
        matter_id=matter_id,
        request_id=RequestId(item["sk"].removeprefix("REQUEST#")),
        state=RequestState(item["state"]),
        body=item["body"],
        body_sha256=item["body_sha256"],
        execution_arn=item["execution_arn"],
        opened_at=from_text(item["opened_at"]),
        attempt=item["attempt"],
        exceptions=tuple(item.get("exceptions", ())),
        summary=json.loads(item["summary"]) if "summary" in item else None,
        explanation=item.get("explanation"),
    )


def _may_take_over(wanted: RequestRecord, standing: RequestRecord, instead_of: str | None) -> bool:
    if standing.execution_arn == wanted.execution_arn or standing.body_sha256 != wanted.body_sha256:
        return False
    return standing.state is RequestState.FAILED or standing.execution_arn == instead_of


def _request_item(record: RequestRecord) -> Item:
    return {
        "pk": _matter_key(record.matter_id),
        "sk": f"REQUEST#{record.request_id}",
        "state": record.state,
        "body": record.body,
        "body_sha256": record.body_sha256,
        "execution_arn": record.execution_arn,
        "opened_at": to_text(record.opened_at),
        "attempt": record.attempt,
    }


class BatchLedger:
    """Implements `ports.BatchBook`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def plan(self, record: BatchRecord) -> None:
        """Write the item unless it exists."""
        self._table.put_new(_batch_item(record))

    def read(self, matter_id: MatterId, request_id: RequestId, batch_id: BatchId) -> BatchRecord:
        """Read one batch."""
        item = self._table.get(_matter_key(matter_id), f"BATCH#{request_id}#{batch_id}")
        if item is None:
            raise LedgerRuleBroken(
                f"expected batch {batch_id} of request {request_id} in the ledger, found none"
            )
        return _batch(matter_id, request_id, item)

    def of_request(self, request: RequestRecord) -> Iterator[BatchRecord]:
        """List the batches; their ids sort in the order of their making."""
        prefix = f"BATCH#{request.request_id}#{batch_prefix(request.attempt)}"
        for item in self._table.query(_matter_key(request.matter_id), prefix):
            if item["state"] != BatchState.SPLIT:
                yield _batch(request.matter_id, request.request_id, item)

    def jobs_of(self, matter_id: MatterId) -> Iterator[ExportJobId]:
        """Read the job of every batch that has one."""
        for item in self._table.query(_matter_key(matter_id), "BATCH#"):
            if "job_id" in item:
                yield ExportJobId(item["job_id"])

    def pieces_of(self, record: BatchRecord) -> int:
        """Count the items whose ids begin with that of the batch of the scope."""
        prefix = f"BATCH#{record.request_id}#{origin_of(record.batch_id)}"
        return sum(1 for _ in self._table.query(_matter_key(record.matter_id), prefix))

    def advance(self, record: BatchRecord) -> None:
        """Write the whole item, if the standing state may move there and nothing is settled."""
        before = sources(BATCH_MOVES, record.state)
        may_come_from, values = one_of("#state", before)
        if not self._table.put(
            _batch_item(record), f"{may_come_from} AND attribute_not_exists(result_key)", values
        ):
            current = self.read(record.matter_id, record.request_id, record.batch_id).state
            if not has_passed(BATCH_MOVES, current, record.state) and current is not record.state:
                raise LedgerRuleBroken(f"batch {record.batch_id}: {current} may not become {record.state}")

    def settle(self, record: BatchRecord, result_key: str) -> None:
        """Write the pointer unless there is one."""
        self._table.update(
            _matter_key(record.matter_id),
            f"BATCH#{record.request_id}#{record.batch_id}",
            "SET result_key = :key",
            "attribute_exists(pk) AND attribute_not_exists(result_key)",
            {":key": result_key},
        )


def _batch_item(record: BatchRecord) -> Item:
    return {
        "pk": _matter_key(record.matter_id),
        "sk": f"BATCH#{record.request_id}#{record.batch_id}",
        "batch_id": record.batch_id,
        "state": record.state,
        "conversations": record.conversations,
        "job_id": record.job_id,
        "job_created_at": to_text(record.job_created_at) if record.job_created_at else None,
        "ended_at": to_text(record.ended_at) if record.ended_at else None,
        "total": record.total,
        "skipped": record.skipped,
        "failed": record.failed,
        "explanation": record.explanation,
        "result_key": record.result_key,
        "without_sensitive": record.without_sensitive,
        "interrupted_at": to_text(record.interrupted_at) if record.interrupted_at else None,
    }


def _batch(matter_id: MatterId, request_id: RequestId, item: Item) -> BatchRecord:
    return BatchRecord(
        matter_id=matter_id,
        request_id=request_id,
        batch_id=BatchId(item["batch_id"]),
        state=BatchState(item["state"]),
        conversations=item["conversations"],
        job_id=ExportJobId(item["job_id"]) if "job_id" in item else None,
        job_created_at=from_text(item["job_created_at"]) if "job_created_at" in item else None,
        ended_at=from_text(item["ended_at"]) if "ended_at" in item else None,
        total=item["total"],
        skipped=item["skipped"],
        failed=item["failed"],
        explanation=item.get("explanation"),
        result_key=item.get("result_key"),
        without_sensitive=item["without_sensitive"],
        interrupted_at=from_text(item["interrupted_at"]) if "interrupted_at" in item else None,
    )
