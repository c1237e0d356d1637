"""The bus that discovery requests arrive on."""

from typing import Any

from holdfast.errors import AwsUnavailable


class RequestEventBus:
    """Implements `ports.RequestBus`."""

    def __init__(self, client: Any, *, name: str) -> None:
        self._client = client
        self._name = name

    def request(self, body: bytes) -> None:
        """Put one event on the bus.

        Raises:
            AwsUnavailable: the bus did not take it, which it tells in a successful answer.
        """
        entry = {
            "EventBusName": self._name,
            "Source": "holdfast",
            "DetailType": "DiscoveryRequested",
            "Detail": body.decode(),
        }
        answer = self._client.put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            raise AwsUnavailable(f"PutEvents: {answer['Entries'][0].get('ErrorCode', 'unknown')}")
