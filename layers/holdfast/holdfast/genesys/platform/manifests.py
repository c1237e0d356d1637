"""The platform's own export jobs leave no manifest: they list their failures when asked."""

from holdfast.domain.ids import ExportJobId
from holdfast.domain.manifest import Manifest


class NoManifests:
    """Implements `ports.Manifests`."""

    is_expected = False

    def of_job(self, _job_id: ExportJobId) -> Manifest | None:
        """Answer that there is none."""
        return None
