"""The manifests of export jobs, which the platform writes into the evidence bucket beside the recordings."""

from contextlib import closing
from typing import Any

from botocore.exceptions import ClientError

from holdfast.contracts.compliance import read_manifest
from holdfast.domain.ids import ExportJobId
from holdfast.domain.manifest import Manifest


class ManifestS3:
    """Implements `ports.Manifests`; may read manifests and nothing else of the bucket."""

    is_expected = True

    def __init__(self, client: Any, *, bucket: str, organization_id: str) -> None:
        self._client = client
        self._bucket = bucket
        self._folder = f"{organization_id}/manifests"

    def of_job(self, job_id: ExportJobId) -> Manifest | None:
        """Get the manifest."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=f"{self._folder}/{job_id}.json")
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        with closing(answer["Body"]) as body:
            return read_manifest(body.read(), job_id)
