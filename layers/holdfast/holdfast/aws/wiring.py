"""What AWS says of the stack: the documents that Preflight judges."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from holdfast.ports import Document, Reading, Unread, Wiring

_REFUSED = frozenset({"AccessDenied", "AccessDeniedException"})


class StackWiring:
    """Implements `ports.WiringSource`."""

    def __init__(self, s3: Any, *, bucket: str, queue_arn: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._queue_arn = queue_arn

    def read(self) -> Wiring:
        """Read everything; a reading that is denied does not hide the others."""
        return {
            Reading.OBJECT_LOCK: _tried(self._object_lock),
            Reading.VERSIONING: _tried(lambda: self._s3.get_bucket_versioning(Bucket=self._bucket)),
            Reading.NOTIFICATION: _tried(self._notification),
        }

    def _object_lock(self) -> Document:
        try:
            answer = self._s3.get_object_lock_configuration(Bucket=self._bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ObjectLockConfigurationNotFoundError":
                raise
            return {}
        return dict(answer["ObjectLockConfiguration"])

    def _notification(self) -> Document:
        answer = self._s3.get_bucket_notification_configuration(Bucket=self._bucket)
        return {**answer, "arrival_queue": self._queue_arn}


def _tried(read: Callable[[], Document]) -> Document | Unread:
    try:
        answer = read()
    except ClientError as error:
        said = error.response["Error"]
        if said.get("Code") not in _REFUSED:
            raise
        return Unread(f"{error.operation_name}: {said['Code']}: {said.get('Message', '')}")
    # What is about the call is not about what was asked for.
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}
