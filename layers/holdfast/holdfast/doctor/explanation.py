"""What the doctor answers: who said no, on what evidence, and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Layer(StrEnum):
    """Who can say no on the way from a discovery request to a held object."""

    OAUTH_TOKEN = "oauth_token"  # noqa: S105 - a layer's name
    GENESYS_PERMISSION = "genesys_permission"
    INTEGRATION_ROLE = "integration_role"
    BUCKET_POLICY = "bucket_policy"
    IAM_IDENTITY = "iam_identity"
    KMS = "kms"
    OBJECT_LOCK = "object_lock"
    PRESIGNED_URL = "presigned_url"
    RATE_LIMIT = "rate_limit"
    REQUEST_SCHEMA = "request_schema"
    HOLD_CONFLICT = "hold_conflict"
    TENANT_MISMATCH = "tenant_mismatch"
    NOT_FOUND = "not_found"
    UNKNOWN = "unknown"


class Origin(StrEnum):
    """Where a run of ours stopped without anybody having refused; no refusal from outside is explained so."""

    SETTINGS = "settings"
    PREFLIGHT = "preflight"
    ARRIVAL_PATH = "arrival_path"
    PLATFORM = "platform"
    LEDGER = "ledger"
    AWS = "aws"
    WORKFLOW = "workflow"


class Confidence(StrEnum):
    """How sure: the refusal says it itself, it follows from what was given, or it is merely the likeliest."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One refusal, explained. It holds no free text of the refusal, so no secret can be in it."""

    layer: Layer | Origin
    cause: str
    title: str
    evidence: tuple[str, ...]
    remedy: tuple[str, ...]
    confidence: Confidence
    collect_next: tuple[str, ...] = ()

    def as_document(self) -> Mapping[str, Any]:
        """Give the form that machines read."""
        return {
            "layer": self.layer.value,
            "cause": self.cause,
            "evidence": list(self.evidence),
            "remedy": list(self.remedy),
            "confidence": self.confidence.value,
            "collect_next": list(self.collect_next),
        }

    @property
    def advice(self) -> str:
        """What to do, or what to find out first, in one line."""
        return "; ".join(self.remedy or self.collect_next)
