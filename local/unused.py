"""What the template grants though no end-to-end run is sure to use it, by the reason."""

from collections.abc import Mapping

from local.grants import Grant

# A run that uses one of these says so: it belongs into the record then.
_NEVER: Mapping[str, tuple[str, ...]] = {
    "tells a file that is missing from one that is forbidden; no run loses its files": (
        "CheckExportJob s3:ListBucket WorkBucket",
        "ConfirmHolds s3:ListBucket WorkBucket",
        "EndClaims s3:ListBucket RecordsBucket",
        "FinishRelease s3:ListBucket RecordsBucket",
        "LiftHolds s3:ListBucket RecordsBucket",
        "PlaceHolds s3:ListBucket WorkBucket",
        "PlanHolds s3:ListBucket WorkBucket",
        "ReleasePlatformHolds s3:ListBucket RecordsBucket",
        "StartExportJob s3:ListBucket WorkBucket",
    ),
    "the vendor's documents ask for it; the simulator writes without": (
        "GenesysWriterRole s3:GetBucketLocation EvidenceBucket",
        "GenesysWriterRole s3:GetEncryptionConfiguration EvidenceBucket",
        "GenesysWriterRole s3:PutObjectAcl EvidenceBucket/*",
    ),
    "disposal is off in the embedded stack, so that the function is not there": (
        "MarkDisposable dynamodb:ConditionCheckItem Ledger",
        "MarkDisposable dynamodb:GetItem Ledger",
        "MarkDisposable dynamodb:PutItem Ledger",
        "MarkDisposable dynamodb:Query Ledger",
        "MarkDisposable dynamodb:UpdateItem Ledger",
        "MarkDisposable s3:GetObject RecordsBucket/releases/*",
        "MarkDisposable s3:GetObjectLegalHold EvidenceBucket/*",
        "MarkDisposable s3:GetObjectVersionTagging EvidenceBucket/*",
        "MarkDisposable s3:ListBucket EvidenceBucket",
        "MarkDisposable s3:ListBucket RecordsBucket",
        (
            "MarkDisposable s3:PutObjectVersionTagging EvidenceBucket/*"
            " if s3:requestobjecttag/holdfast-disposal=due"
        ),
    ),
    "the embedded AWS makes no inventories": (
        "SweepEvidence s3:GetObject WorkBucket/inventory/*",
        "SweepEvidence s3:ListBucket WorkBucket",
    ),
}
# Some runs use these and others do not.
_BY_CHANCE: Mapping[str, tuple[str, ...]] = {
    "a job slot is taken over only if its holder is late": (
        "AcquireJobSlot dynamodb:DeleteItem Ledger if dynamodb:leadingkeys=ORG#*",
        "AcquireJobSlot dynamodb:GetItem Ledger",
        "AcquireJobSlot has GenesysCaller",
    ),
    "a manifest is missed only if its job is reconciled before it arrives": (
        "Reconcile s3:ListBucket EvidenceBucket",
    ),
    "only if the platform does not answer when a job is created": (
        "StartExportJob dynamodb:DeleteItem Ledger if dynamodb:leadingkeys=ORG#*",
        "StartExportJob s3:PutObject WorkBucket/matters/*",
    ),
    "parks a message again only if it was redriven under another name": (
        "HashObjects dynamodb:UpdateItem Ledger",
    ),
    "looks closer at parked messages only if there are any when a verdict is given": (
        "SealCustody dynamodb:BatchGetItem Ledger",
    ),
    "finds what it wrote itself only if a step that died half-way is repeated": (
        "PlanHolds s3:GetObject WorkBucket/holds/*",
        "SealCustody s3:GetObject RecordsBucket/matters/*",
    ),
    "lists the bucket only for a release of what nobody claims": (
        "PlanRelease s3:GetObjectLegalHold EvidenceBucket/*",
        "PlanRelease s3:ListBucketVersions EvidenceBucket",
    ),
    "only if an operator asks once more for the package of a matter that was released": (
        "PackageMatter s3:GetObject RecordsBucket/releases/*",
    ),
    "only if the run of a standing matter is found dead": (
        "StartStandingRuns states:DescribeExecution PreserveMatter:*",
    ),
    "only if a person settles an exception": ("ResolveException dynamodb:PutItem Ledger",),
    "only if a workflow fails on the way": (
        "ApplyLegalHold lambda:InvokeFunction RecordHoldFailure",
        "ApproveRelease lambda:InvokeFunction RecordApprovalFailure",
        "ExportRecordings lambda:InvokeFunction RecordExportFailure",
        "RecordExportFailure dynamodb:GetItem Ledger",
        "RecordExportFailure dynamodb:PutItem Ledger",
        "ReleaseHold lambda:InvokeFunction RecordReleaseFailure",
        "SettleException lambda:InvokeFunction RecordResolutionFailure",
    ),
}


def _by_grant(reasons: Mapping[str, tuple[str, ...]]) -> Mapping[Grant, str]:
    return {Grant.read(line): why for why, lines in reasons.items() for line in lines}


NEVER = _by_grant(_NEVER)
BY_CHANCE = _by_grant(_BY_CHANCE)
