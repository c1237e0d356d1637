"""The platform takes request bodies of up to 512,000 bytes; the largest that can be asked for stay below."""

from datetime import UTC, datetime
from uuid import UUID

import httpx

from holdfast.contracts.request import MAX_LISTED_IDS
from holdfast.domain.ids import ConversationId
from holdfast.domain.media import Medium
from holdfast.domain.moments import Interval
from holdfast.domain.scope import Scope
from holdfast.genesys.compliance.exports import ComplianceExportJobs
from holdfast.genesys.platform.exports import BulkExportJobs
from holdfast.genesys.platform.scope import AnalyticsScope
from holdfast.genesys.transport import Transport
from holdfast.ports import ExportJobs, ExportSelection
from tests.fakes.clock import HandDrivenClock
from tests.unit.genesys.doubles import API, Door, MemoryTokenStore, a_token, issuing, source

MOST_BYTES = 512_000  # `request.bytes.max` of the vendor's limits
INTEGRATION = str(UUID(int=7))
INTERVAL = Interval(datetime(2020, 1, 1, 0, 0, 0, 123456, UTC), datetime(2026, 3, 8, tzinfo=UTC))
CLOCK = HandDrivenClock()


def _ids(count: int) -> tuple[ConversationId, ...]:
    return tuple(ConversationId(str(UUID(int=number))) for number in range(count))


LARGEST = Scope(
    INTERVAL,
    custodians=_ids(MAX_LISTED_IDS),
    queues=_ids(MAX_LISTED_IDS),
    media_types=(Medium.VOICE, Medium.CHAT, Medium.EMAIL, Medium.MESSAGE, Medium.CALLBACK),
    external_tag="\N{GRINNING FACE}" * 256,
    conversation_ids=_ids(MAX_LISTED_IDS),
    include_sensitive=True,
)


def _platform(answer: str) -> tuple[Transport, Door]:
    door = Door(httpx.Response(202, content=answer))
    store = MemoryTokenStore(a_token(0))
    return Transport(door.client(API), source(store, issuing(), clock=CLOCK), CLOCK), door


def _export_size(jobs: ExportJobs, door: Door) -> int:
    jobs.create(ExportSelection(_ids(jobs.most_conversations), LARGEST, frozenset({Medium.VOICE})))
    (request,) = door.requests
    return len(request.content)


def test_the_largest_scope_fits_into_one_query() -> None:
    transport, door = _platform('{"jobId": "query-1"}')

    AnalyticsScope(transport, page_size=500).start_query(LARGEST)

    (request,) = door.requests
    assert request.content.count(b'"predicates"') == 5
    assert 3 * MAX_LISTED_IDS * 36 < len(request.content) < MOST_BYTES


def test_the_largest_batch_fits_into_one_export_job() -> None:
    transport, door = _platform('{"id": "job-1"}')

    size = _export_size(BulkExportJobs(transport, CLOCK, integration_id=INTEGRATION), door)

    assert 4_000 * 36 < size < MOST_BYTES


def test_the_largest_batch_of_the_other_dialect_fits_too() -> None:
    transport, door = _platform('{"id": "job-1"}')

    assert _export_size(ComplianceExportJobs(transport, CLOCK, integration_id=INTEGRATION), door) < MOST_BYTES
