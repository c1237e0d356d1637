"""Events that EventBridge could not deliver: they wait in a queue until somebody sends them again."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# While a person reads and decides, nobody else is given the same events.
_KEPT_S = 120
_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class LostEvent:
    """One event of the queue; `handle` names it there, `error` is what EventBridge says. `event` is {} if it
    cannot be read.
    """

    message_id: str
    handle: str
    event: Mapping[str, Any]
    error: str

    @property
    def matter_id(self) -> str:
        """Name the matter that the event names; empty where it names none."""
        detail = self.event.get("detail")
        return str(detail.get("matter_id", "")) if isinstance(detail, dict) else ""


class LostEvents:
    """Reads the queue of lost events."""

    def __init__(self, client: Any, *, url: str) -> None:
        self._client, self._url = client, url

    def take(self) -> Iterator[LostEvent]:
        """Give each event that waits, once; it comes back to the queue unless it is removed."""
        seen = set[str]()
        # What somebody puts back while it is being read comes again.
        while messages := [one for one in self._receive() if one["MessageId"] not in seen]:
            for message in messages:
                seen.add(message["MessageId"])
                said = {
                    name: value.get("StringValue", "")
                    for name, value in message.get("MessageAttributes", {}).items()
                }
                told = [said[name] for name in ("ERROR_CODE", "ERROR_MESSAGE") if said.get(name)]
                yield LostEvent(
                    message["MessageId"], message["ReceiptHandle"], _event(message["Body"]), ": ".join(told)
                )

    def put_back(self, lost: LostEvent) -> None:
        """Let an event be seen again at once."""
        self._client.change_message_visibility(
            QueueUrl=self._url, ReceiptHandle=lost.handle, VisibilityTimeout=0
        )

    def remove(self, lost: LostEvent) -> None:
        """Take an event out of the queue, once it has been sent again."""
        self._client.delete_message(QueueUrl=self._url, ReceiptHandle=lost.handle)

    def _receive(self) -> list[dict[str, Any]]:
        answer = self._client.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=_AT_ONCE, VisibilityTimeout=_KEPT_S,
            MessageAttributeNames=["All"], WaitTimeSeconds=1,
        )  # fmt: skip
        found: list[dict[str, Any]] = answer.get("Messages", [])
        return found


def _event(body: str) -> Mapping[str, Any]:
    try:
        event = json.loads(body)
    except ValueError:
        return {}
    is_event = isinstance(event, dict) and {"source", "detail-type", "detail"} <= event.keys()
    return event if is_event else {}
