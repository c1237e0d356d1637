"""What a deployed function is told, through its environment. `bootstrap` is the only reader."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from holdfast.domain.ids import is_uuid
from holdfast.errors import SettingsInvalid
from holdfast.genesys.regions import hosts_of

DIALECTS = frozenset({"platform", "compliance"})
_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of the stack, as text; what a function does not use is empty."""

    values: Mapping[str, str] = field(repr=False)

    def text(self, name: str) -> str:
        """Give a setting that must be there.

        Raises:
            SettingsInvalid: it is not.
        """
        value = self.values.get(name, "")
        if not value:
            raise SettingsInvalid([f"{name}: expected a value, found none"])
        return value

    def number(self, name: str) -> int:
        """Give a whole number that must be there.

        Raises:
            SettingsInvalid: it is not, or is no number.
        """
        value = self.text(name)
        if not _NUMBER.fullmatch(value):
            raise SettingsInvalid([f"{name}: expected a whole number"])
        return int(value)

    @property
    def delivery_deadline(self) -> timedelta:
        """Say how long after a job's end its recordings may take to arrive."""
        return timedelta(seconds=self.number("DELIVERY_DEADLINE_SECONDS"))

    @property
    def data_wait(self) -> timedelta:
        """Say how long a request may wait until its scope can be searched."""
        return timedelta(seconds=self.number("DATA_WAIT_SECONDS"))

    @property
    def job_deadline(self) -> timedelta:
        """Say how long an export job may run before it is cancelled."""
        return timedelta(seconds=self.number("JOB_DEADLINE_SECONDS"))

    @property
    def sweep_age(self) -> timedelta:
        """Say how old a version without a receipt must be, to be taken for lost."""
        return timedelta(seconds=self.number("SWEEP_AGE_SECONDS"))

    @property
    def approval_deadline(self) -> timedelta:
        """Say how long a planned release waits for its approval."""
        return timedelta(seconds=self.number("RELEASE_APPROVAL_SECONDS"))

    @property
    def cool_off(self) -> timedelta:
        """Say how long an approved release waits before it begins."""
        return timedelta(seconds=self.number("RELEASE_COOL_OFF_SECONDS"))

    @property
    def dispose_after(self) -> timedelta:
        """Say how long what a release let go is kept before it is marked for disposal.

        Raises:
            SettingsInvalid: disposal is off.
        """
        days = self.number("DISPOSE_RELEASED_AFTER_DAYS")
        if days < 1:
            raise SettingsInvalid(["DISPOSE_RELEASED_AFTER_DAYS: expected a day or more, found 0: it is off"])
        return timedelta(days=days)

    def faults(self) -> list[str]:
        """Name everything that is wrong with what was deployed, all at once."""
        found: list[str] = []
        found += [
            f"{name}: expected a UUID in lower case"
            for name in ("GENESYS_ORGANIZATION_ID", "GENESYS_INTEGRATION_ID")
            if not is_uuid(self.values.get(name, ""))
        ]
        found += [
            f"{name}: expected a whole number"
            for name in (
                "BATCH_SIZE",
                "DATA_WAIT_SECONDS",
                "PROTECTION_CAP",
                "DELIVERY_DEADLINE_SECONDS",
                "JOB_DEADLINE_SECONDS",
            )
            if not _NUMBER.fullmatch(self.values.get(name, ""))
        ]
        if self.values.get("GENESYS_DIALECT") not in DIALECTS:
            found.append(f"GENESYS_DIALECT: expected one of {', '.join(sorted(DIALECTS))}")
        try:
            hosts_of(self.values.get("GENESYS_REGION", ""), self.values.get("GENESYS_BASE_URL", ""))
        except ValueError as fault:
            found.append(str(fault))
        return found
