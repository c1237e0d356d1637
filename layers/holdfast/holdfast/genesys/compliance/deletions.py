"""The Compliance API tells of no deletions: there is nothing to be quicker than."""

from holdfast.ports import DeletionPage


class NoDeletions:
    """Implements `ports.DeletionSchedule`."""

    def page(self, _retained_days: int, _cursor: str | None) -> DeletionPage:
        """Answer that nothing is known to be deleted."""
        return DeletionPage([], None)
