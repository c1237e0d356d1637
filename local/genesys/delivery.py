"""Writes what a job exported, as the vendor's role would: to S3, or to a folder."""

import json
import os
import sys
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from local.genesys.ids import digest_of
from local.genesys.media import MediaFile, media_file, sidecar_file
from local.genesys.organisation import Conversation, Recording
from local.genesys.scenario import Fate

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

THREADS = 16


class Writer(Protocol):
    """Called from many threads."""

    def put(self, key: str, file: MediaFile) -> None: ...


class FolderWriter:
    """A folder keeps no versions: what is written twice is there once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, key: str, file: MediaFile) -> None:
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)


class S3Writer:
    """Connects at the first object, so that the bucket and the role may come later than the simulator.

    Args:
        role_arn: assumed with the organisation's id as ExternalId; the ambient credentials if None.
    """

    def __init__(self, endpoint_url: str, bucket: str, organization_id: str, role_arn: str | None) -> None:
        self._endpoint_url = endpoint_url
        self._bucket = bucket
        self._organization_id = organization_id
        self._role_arn = role_arn
        self._client: S3Client | None = None
        self._lock = threading.Lock()

    def put(self, key: str, file: MediaFile) -> None:
        self._connected().put_object(
            Bucket=self._bucket,
            Key=key,
            Body=file.content,
            ContentType=file.content_type,
            ACL="bucket-owner-full-control",
        )

    def _connected(self) -> "S3Client":
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> "S3Client":
        # Here, because starting the simulator for a folder should not pay for an AWS client.
        import boto3  # noqa: PLC0415
        import botocore.session  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415
        from botocore.credentials import RefreshableCredentials  # noqa: PLC0415

        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        config = Config(
            max_pool_connections=THREADS,
            retries={"total_max_attempts": 4, "mode": "standard"},
            s3={"addressing_style": "path"},
        )
        session = botocore.session.get_session()
        if self._role_arn:
            sts = boto3.client("sts", endpoint_url=self._endpoint_url, region_name=region, config=config)

            def assume() -> dict[str, str]:
                given = sts.assume_role(
                    RoleArn=self._role_arn or "",
                    RoleSessionName="genesys-recordings",
                    ExternalId=self._organization_id,
                    DurationSeconds=3600,
                )["Credentials"]
                return {
                    "access_key": given["AccessKeyId"],
                    "secret_key": given["SecretAccessKey"],
                    "token": given["SessionToken"],
                    "expiry_time": given["Expiration"].isoformat(),
                }

            session._credentials = RefreshableCredentials.create_from_metadata(  # type: ignore[attr-defined]  # noqa: SLF001
                metadata=assume(), refresh_using=assume, method="sts-assume-role"
            )
        return boto3.Session(botocore_session=session, region_name=region).client(
            "s3", endpoint_url=self._endpoint_url, config=config
        )


def writer_for(environment: Mapping[str, str], folder: Path, organization_id: str) -> Writer:
    """S3 if `S3_ENDPOINT_URL` and `BUCKET` are there (with `ROLE_ARN` if given), else the folder."""
    endpoint_url, bucket = environment.get("S3_ENDPOINT_URL"), environment.get("BUCKET")
    if endpoint_url and bucket:
        return S3Writer(endpoint_url, bucket, organization_id, environment.get("ROLE_ARN") or None)
    return FolderWriter(folder)


def folder_of(organization_id: str, conversation: Conversation) -> str:
    """The key up to the file: date parts are the conversation's start in UTC, without padding."""
    at: datetime = conversation.started_at
    return (
        f"{organization_id}/year={at.year}/month={at.month}/day={at.day}/hour={at.hour}/"
        f"conversation_id={conversation.id}"
    )


def files_of(seed: int, conversation: Conversation, recording: Recording) -> list[MediaFile]:
    """The objects of one recording in the order of their writing, which is not always the same."""
    media = media_file(seed, conversation, recording)
    if recording.fate is Fate.ZERO_BYTE:
        media = MediaFile(media.name, media.content_type, b"")
    sidecar = sidecar_file(conversation, recording, media.name)
    match recording.fate:
        case Fate.WITHOUT_SIDECAR:
            return [media]
        case Fate.SIDECAR_ONLY:
            return [sidecar]
        case Fate.DUPLICATE_VERSION:
            return [media, sidecar, media, sidecar]
        case Fate.NEVER_DELIVERED:
            return []
    pair = [media, sidecar]
    return pair if digest_of(seed, "order", recording.id)[0] % 2 else pair[::-1]


def write(writer: Writer, key: str, file: MediaFile) -> bool:
    """False, with a line on stderr, if the bucket did not take it: the platform tells nobody either."""
    try:
        writer.put(key, file)
    except Exception as error:  # noqa: BLE001 -- whatever the reason, the next recording has its own chance
        line = {"message": "object_not_written", "key": key, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(line), file=sys.stderr, flush=True)
        return False
    return True
