"""When the platform deletes what, by its own retention policies.

`retentionThresholdDays` is a lower bound, for the age and not for the time that is left: "recordings retained
for more days than the provided value". Source: PureCloudPlatformClientV2 269.0.0, apis/recording_api.py.
"""

from urllib.parse import parse_qs, urlsplit

from holdfast.contracts.genesys import RetentionListing
from holdfast.domain.ids import ConversationId
from holdfast.errors import PlatformUnavailable
from holdfast.genesys.transport import Transport
from holdfast.ports import DeletionPage

_RETENTION = "/api/v2/recordings/retention/query"
PAGE_SIZE = 500


class RetentionSchedule:
    """Implements `ports.DeletionSchedule`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def page(self, retained_days: int, cursor: str | None) -> DeletionPage:
        """Read a page; what is to be archived or exported only is left out."""
        query: dict[str, str | int] = {"retentionThresholdDays": retained_days, "pageSize": PAGE_SIZE}
        query |= {"cursor": cursor} if cursor else {}
        listing = self._transport.get(_RETENTION, query).read(RetentionListing)
        following = _cursor_in(listing.next_uri) if listing.next_uri else None
        return DeletionPage(
            [
                (ConversationId(one.conversation_id.lower()), one.delete_date)
                for one in listing.entities
                if one.delete_date
            ],
            # A platform that repeats itself would be read for ever.
            None if following == cursor else following,
        )


def _cursor_in(next_uri: str) -> str:
    cursors = parse_qs(urlsplit(next_uri).query).get("cursor")
    if not cursors:
        raise PlatformUnavailable("expected a cursor in nextUri of the retention query, found none")
    return cursors[0]
