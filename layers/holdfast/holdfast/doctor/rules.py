"""Every cause of a refusal that the doctor knows, as a table: how it is recognised, whose it is, what to do.

The first cause whose signs are all there is the answer, so the order is part of the rules: what a refusal
says of itself comes before what the policies show, and that before what a token's age or a request suggests.
`docs/doctor.md` is generated from this table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from holdfast.doctor.diagnosis import FindingKind
from holdfast.doctor.explanation import Confidence, Layer, Origin
from holdfast.doctor.wording import PolicyKind, Speaker


class Shape(StrEnum):
    """What the request, the token or the caller shows."""

    PRESIGNED = "presigned request"
    HOLD_FLAG = "export request with a hold flag"
    MANIFEST_FAULT = "export request without manifest v2"
    HOLD_FAULT = "hold request without acknowledgement or with a malformed reference"
    PLACES_HOLD = "request that places a hold"
    UNDOCUMENTED_PATH = "path of the dialect `compliance`"
    TOKEN_EXPIRED = "token older than its life"  # noqa: S105 - what a token shows, and no token
    TOKEN_PAST_HALF = "token past half its life"  # noqa: S105 - as above
    BY_VENDOR = "caller: the vendor or the role it assumes"
    QUOTED = "quoted by the platform"
    BARE = "denied without a reason"
    NO_CODE = "without an error code"
    EXPLICIT = "explicit deny"


@dataclass(frozen=True, slots=True)
class Signs:
    """How a cause is recognised: all that is given must be there, any one of each list.

    `codes` are parted by spaces and may have `*`; `words` is a pattern over the refusal's text in lower case;
    `action` is an action with `*`; `shapes` must all be seen.
    """

    said_by: Sequence[Speaker] = ()
    statuses: Sequence[int] = ()
    codes: str = ""
    words: str = ""
    denied_by: Sequence[PolicyKind] = ()
    action: str = ""
    findings: Sequence[FindingKind] = ()
    shapes: Sequence[Shape] = ()
    errors: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason for a refusal."""

    id: str
    layer: Layer | Origin
    title: str
    signs: Sequence[Signs]
    remedy: Sequence[str]
    confidence: Confidence
    source: str
    collect: Sequence[str] = ()


_G, _S3, _KMS, _STS, _AWS = Speaker.GENESYS, Speaker.S3, Speaker.KMS, Speaker.STS, Speaker.AWS
_NOBODY = Speaker.NOBODY
_OWN = (PolicyKind.IDENTITY, PolicyKind.BOUNDARY, PolicyKind.SESSION, PolicyKind.SERVICE_CONTROL)
_ANY_AWS = (_S3, _KMS, _STS, _AWS)
HIGH, MEDIUM, LOW = Confidence.HIGH, Confidence.MEDIUM, Confidence.LOW

_DOCS = "https://docs.aws.amazon.com"
SOURCES: Mapping[str, str] = {
    "S3 errors": f"{_DOCS}/AmazonS3/latest/API/ErrorResponses.html",
    "IAM denials": f"{_DOCS}/IAM/latest/UserGuide/troubleshoot_access-denied.html",
    "IAM evaluation": f"{_DOCS}/IAM/latest/UserGuide/reference_policies_evaluation-logic.html",
    "IAM ExternalId": f"{_DOCS}/IAM/latest/UserGuide/id_roles_common-scenarios_third-party.html",
    "STS errors": f"{_DOCS}/STS/latest/APIReference/CommonErrors.html",
    "STS AssumeRole": f"{_DOCS}/STS/latest/APIReference/API_AssumeRole.html",
    "KMS errors": f"{_DOCS}/kms/latest/APIReference/API_GenerateDataKey.html",
    "KMS key access": f"{_DOCS}/kms/latest/developerguide/policy-evaluation.html",
    "KMS throttling": f"{_DOCS}/kms/latest/developerguide/throttling.html",
    "S3 Object Lock": f"{_DOCS}/AmazonS3/latest/userguide/object-lock.html",
    "S3 presigned URLs": f"{_DOCS}/AmazonS3/latest/userguide/using-presigned-url.html",
    "S3 403": f"{_DOCS}/AmazonS3/latest/userguide/troubleshoot-403-errors.html",
    "S3 slow down": f"{_DOCS}/AmazonS3/latest/userguide/optimizing-performance.html",
    "S3 public access": f"{_DOCS}/AmazonS3/latest/userguide/access-control-block-public-access.html",
    "Signature V4": f"{_DOCS}/IAM/latest/UserGuide/reference_sigv-troubleshooting.html",
    "Genesys API": "https://developer.genesys.cloud/devapps/api-explorer",
    "Genesys SDK": "https://github.com/MyPureCloud/platform-client-sdk-python",
    "Genesys S3 export": "https://help.mypurecloud.com/?p=210627",
    "field reports": "scenarios.md#the-compliance-dialect",
    "Holdfast": "genesys.md#what-a-refusal-looks-like",
}

_POLICIES = (
    "the caller's identity policy (context.role_policy)",
    "the bucket's policy (context.bucket_policy)",
    "the bucket's encryption key and its policy",
    "the CloudTrail data event of the refused request: its errorMessage often says which policy it was",
)
_TELL = (
    "the HTTP status, the headers and the whole body of the refusal",
    "who answered: genesys, s3, kms or sts (source)",
    "what was asked: method and path, or operation and parameters (context.request)",
)

_RATE_LIMITS = (
    Cause(
        "platform_throttled",
        Layer.RATE_LIMIT,
        "The platform asks for patience.",
        (
            Signs(said_by=(_G,), statuses=(429,)),
            Signs(codes="too.many.requests* rate.limit*"),
            Signs(said_by=(_G,), words=r"rate limit (?:was )?exceeded|too many requests"),
        ),
        (
            (
                "wait as long as Retry-After says, then repeat; share one token and one budget "
                "among all callers"
            ),
        ),
        HIGH,
        "Genesys API",
    ),
    Cause(
        "platform_jobs_taken",
        Layer.RATE_LIMIT,
        "The organisation's job slots are taken.",
        (
            Signs(
                said_by=(_G,),
                words=(
                    r"(?:maximum|max|limit|too many|exceed)[^.]{0,60}\bjobs\b|"
                    r"concurrent[^.]{0,30}\bjobs?\b"
                ),
            ),
        ),
        (
            (
                "wait until a job has ended; the platform runs two at once per organisation, "
                "whoever starts them"
            ),
        ),
        MEDIUM,
        "Genesys SDK",
    ),
    Cause(
        "platform_limit",
        Layer.RATE_LIMIT,
        "A limit of the organisation is reached.",
        (
            Signs(codes="*limit.exceeded* *limit.reached* max.*.reached"),
            Signs(
                said_by=(_G,),
                words=r"(?:maximum|limit) (?:number )?of [^\n]{0,60}protected|limit [^\n]{0,40}reached",
            ),
        ),
        ("use less of what is limited, or ask the vendor for more; Holdfast ranks what it protects",),
        MEDIUM,
        "Genesys API",
        ("the limit's name and value: GET /api/v2/organizations/limits/namespaces",),
    ),
    Cause(
        "kms_throttled",
        Layer.RATE_LIMIT,
        "KMS asks for patience.",
        (
            Signs(words=r"exceeded the rate at which you (?:may|can) call kms"),
            Signs(said_by=(_KMS,), codes="Throttling* KMS.Throttling* RequestLimitExceeded"),
        ),
        (
            (
                "repeat with growing pauses; switch on the bucket's S3 Bucket Key, which saves "
                "most calls to KMS"
            ),
        ),
        HIGH,
        "KMS throttling",
    ),
    Cause(
        "aws_throttled",
        Layer.RATE_LIMIT,
        "AWS asks for patience.",
        (
            Signs(
                codes=(
                    "SlowDown Throttling* ThrottledException RequestLimitExceeded "
                    "RequestThrottled* TooManyRequestsException BandwidthLimitExceeded "
                    "ProvisionedThroughputExceededException PriorRequestNotComplete"
                )
            ),
            Signs(said_by=(*_ANY_AWS, _NOBODY), words=r"reduce your request rate|^rate exceeded"),
            Signs(said_by=_ANY_AWS, statuses=(429,)),
        ),
        ("repeat with growing pauses and fewer calls at once",),
        HIGH,
        "S3 slow down",
    ),
)

_PRESIGNED = (
    Cause(
        "presigned_expired",
        Layer.PRESIGNED_URL,
        "The presigned URL has expired.",
        (
            Signs(words=r"request has expired"),
            Signs(
                words=(
                    r"\b(?:url|link)\b[^.]{0,20} (?:has |is )?expired|"
                    r"expired (?:pre-?signed )?url"
                )
            ),
            Signs(codes="ExpiredToken* InvalidToken TokenRefreshRequired", shapes=(Shape.PRESIGNED,)),
        ),
        (
            ("ask for a new URL and use it at once; a URL also ends with the credentials that signed it"),
            "do not keep such URLs: they are made for one use",
        ),
        HIGH,
        "S3 presigned URLs",
    ),
    Cause(
        "presigned_mismatch",
        Layer.PRESIGNED_URL,
        (
            "The presigned URL is used otherwise than it was signed: method, host, key, query "
            "or signed headers."
        ),
        (
            Signs(codes="SignatureDoesNotMatch", shapes=(Shape.PRESIGNED,)),
            Signs(codes="SignatureDoesNotMatch", words=r"pre-?signed"),
            Signs(
                words=(
                    r"pre-?signed[^\n]{0,80}(?:another|different|wrong|"
                    r"signed for)[^\n]{0,20} (?:method|verb)"
                )
            ),
        ),
        (
            (
                "use the URL with the method it was signed for (a URL for GET cannot PUT), "
                "unchanged, with exactly the signed headers"
            ),
        ),
        HIGH,
        "S3 presigned URLs",
    ),
    Cause(
        "presigned_malformed",
        Layer.PRESIGNED_URL,
        "The presigned URL is not well formed.",
        (
            Signs(codes="AuthorizationQueryParametersError"),
            Signs(
                words=(
                    r"query-string authentication|x-amz-expires (?:must|should)|"
                    r"headers present in the request which were not signed"
                )
            ),
        ),
        (("let the SDK build the URL, with a life of at most seven days, and pass it on unchanged"),),
        HIGH,
        "S3 presigned URLs",
    ),
    Cause(
        "presigned_refused",
        Layer.PRESIGNED_URL,
        "The presigned URL is refused: its method, its signer's key, or the clock.",
        (Signs(codes="MethodNotAllowed InvalidAccessKeyId RequestTimeTooSkewed", shapes=(Shape.PRESIGNED,)),),
        (("ask for a new URL from a signer whose credentials and clock are sound; use its method"),),
        MEDIUM,
        "S3 presigned URLs",
    ),
)

_OBJECT_LOCK = (
    Cause(
        "object_locked",
        Layer.OBJECT_LOCK,
        "The object version is protected by Object Lock.",
        (
            Signs(
                words=(
                    r"protected by object lock|object is (?:locked|worm)|worm[- ]protected|"
                    r"because (?:it|the object) is under (?:a )?legal hold"
                )
            ),
        ),
        (("leave it: the lock does what it is for; a hold ends by a release, retention by time"),),
        HIGH,
        "S3 Object Lock",
    ),
    Cause(
        "object_lock_missing",
        Layer.OBJECT_LOCK,
        "The bucket, or the object, has no Object Lock.",
        (
            Signs(codes="ObjectLockConfigurationNotFoundError NoSuchObjectLockConfiguration"),
            Signs(
                words=(
                    r"missing object ?lock ?configuration|"
                    r"object ?lock configuration does not exist|does not have an? object ?lock|"
                    r"object lock (?:is )?(?:not|must be) enabled|object lock is disabled"
                )
            ),
        ),
        (
            (
                "enable Object Lock on the evidence bucket (it needs versioning), then place "
                "the hold again; tags alone protect nothing"
            ),
        ),
        HIGH,
        "S3 Object Lock",
    ),
    Cause(
        "object_lock_checksum",
        Layer.OBJECT_LOCK,
        ("A bucket with default retention wants a checksum with every upload, and none came."),
        (Signs(words=r"content-md5[^\n]{0,60} header (?:is )?required"),),
        (
            (
                "take the default retention off the evidence bucket; legal holds need none, "
                "and the vendor's writer is not known to send a checksum"
            ),
        ),
        HIGH,
        "S3 Object Lock",
    ),
    Cause(
        "object_lock_parameters",
        Layer.OBJECT_LOCK,
        "Object Lock does not accept the parameters, or the bucket's state.",
        (
            Signs(codes="InvalidRetentionPeriod"),
            Signs(
                codes="InvalidRequest InvalidArgument InvalidBucketState MalformedXML",
                words=(
                    r"object lock|x-amz-object-lock|retain until|retention (?:date|period|mode)|"
                    r"legal hold must|wormmode"
                ),
            ),
        ),
        (("send mode and date of a retention together, the date in the future; versioning stays on"),),
        MEDIUM,
        "S3 Object Lock",
    ),
)

_KEYS = (
    Cause(
        "kms_key_missing",
        Layer.KMS,
        ("The key does not exist in this account and region, or the caller may not know of it."),
        (
            Signs(codes="KMS.NotFoundException"),
            Signs(said_by=(_KMS,), codes="NotFoundException"),
            Signs(
                words=(
                    r"customer master key that does not exist|(?:kms|"
                    r"encryption) key[^\n]{0,60}(?:does not exist|not found)|"
                    r"alias[^\n]{0,120} is not found|invalid keyid"
                )
            ),
        ),
        (
            (
                "name the key by its full ARN, in the bucket's own region; let the caller's "
                "role and the key's policy allow kms:GenerateDataKey and kms:Decrypt on it"
            ),
        ),
        HIGH,
        "KMS errors",
        ("the bucket's default encryption, and the key's state and policy",),
    ),
    Cause(
        "kms_key_unusable",
        Layer.KMS,
        "The key is disabled, pending deletion, or cannot be reached.",
        (
            Signs(
                codes=(
                    "KMS.DisabledException DisabledException KMS.KMSInvalidStateException "
                    "KMSInvalidStateException KeyUnavailableException "
                    "KMS.KeyUnavailableException KMS.InvalidKeyUsageException "
                    "InvalidKeyUsageException IncorrectKeyException InvalidCiphertextException "
                    "KMS.InvalidCiphertextException"
                )
            ),
            Signs(
                said_by=(_KMS, _S3),
                words=(
                    r"key[^\n]{0,120} is (?:disabled|pending (?:deletion|import|replica))|"
                    r"\bis pending deletion|kms key is not enabled"
                ),
            ),
        ),
        (
            (
                "enable the key, or cancel its deletion; evidence encrypted with it can be "
                "read by nobody until then"
            ),
        ),
        HIGH,
        "KMS errors",
    ),
    Cause(
        "kms_denied",
        Layer.KMS,
        "The key may not be used by this caller.",
        (
            Signs(action="kms:*", denied_by=(PolicyKind.RESOURCE,)),
            Signs(
                said_by=(_KMS,),
                codes="AccessDenied* KMS.AccessDenied* KMSAccessDenied*",
                shapes=(Shape.BARE,),
            ),
        ),
        (
            (
                "allow the one action that was denied, on this one key, to this one role: in the key's "
                "policy, and in the role's"
            ),
        ),
        HIGH,
        "KMS key access",
        ("the key's policy and grants",),
    ),
    Cause(
        "kms_not_permitted",
        Layer.KMS,
        "The caller's own policies do not permit the use of the key.",
        (Signs(action="kms:*"), Signs(said_by=(_KMS,), codes="*AccessDenied*")),
        (
            (
                "allow the one action that was denied, on this one key, in the role's policy; the key's "
                "policy may stay as it is, if it leaves access to the account's policies"
            ),
        ),
        MEDIUM,
        "KMS key access",
        ("the key's policy and grants",),
    ),
    Cause(
        "encryption_not_configured",
        Layer.KMS,
        "The bucket has no default encryption.",
        (Signs(codes="ServerSideEncryptionConfigurationNotFoundError"),),
        ("set the bucket's default encryption to the key of the stack",),
        MEDIUM,
        "S3 errors",
    ),
)

_AWS_CREDENTIALS = (
    Cause(
        "vendor_credentials",
        Layer.INTEGRATION_ROLE,
        "The vendor's credentials for the role are refused.",
        (
            Signs(
                codes="ExpiredToken* InvalidToken InvalidAccessKeyId InvalidClientTokenId",
                shapes=(Shape.BY_VENDOR,),
            ),
        ),
        (("let the integration assume its role again: switch it off and on, then look at its state"),),
        MEDIUM,
        "Genesys S3 export",
        ("the integration's reportedState", "the role's trust policy"),
    ),
    Cause(
        "aws_credentials_expired",
        Layer.IAM_IDENTITY,
        ("The caller's temporary AWS credentials have expired (this is no Genesys token)."),
        (
            Signs(codes="ExpiredToken* RequestExpired TokenRefreshRequired"),
            Signs(
                said_by=_ANY_AWS,
                words=(r"security token[^\n]{0,40} (?:is|has) expired|provided token has expired"),
            ),
        ),
        (("fetch new credentials for the caller's role; let the SDK refresh them by itself"),),
        HIGH,
        "STS errors",
    ),
    Cause(
        "aws_credentials_unknown",
        Layer.IAM_IDENTITY,
        "AWS does not know the caller's credentials, or got none.",
        (
            Signs(
                codes=(
                    "InvalidAccessKeyId InvalidClientTokenId UnrecognizedClientException "
                    "InvalidToken MissingAuthenticationToken* AuthFailure IncompleteSignature* "
                    "InvalidIdentityToken* IDPRejectedClaim NotSignedUp InvalidSecurity "
                    "MissingSecurityHeader"
                )
            ),
            Signs(
                said_by=_ANY_AWS, words=r"security token included in the request is invalid|anonymous users"
            ),
        ),
        (("let the caller use its role's own credentials; look for stale keys in its environment"),),
        HIGH,
        "STS errors",
    ),
    Cause(
        "clock_skew",
        Layer.IAM_IDENTITY,
        "The caller's clock is wrong: the signature's time is too far from AWS's.",
        (
            Signs(codes="RequestTimeTooSkewed"),
            Signs(
                words=(
                    r"difference between the request time and|signature (?:expired|"
                    r"not yet current)"
                )
            ),
        ),
        ("set the caller's clock by NTP, then repeat; no permission is missing",),
        MEDIUM,
        "Signature V4",
    ),
    Cause(
        "signature_mismatch",
        Layer.IAM_IDENTITY,
        "The request's signature is not what AWS computes.",
        (Signs(codes="SignatureDoesNotMatch InvalidSignatureException"),),
        (("check the caller's secret key and region, and that no proxy changes headers or path"),),
        MEDIUM,
        "Signature V4",
        ("whether the request was made by a presigned URL (context.request.path)",),
    ),
)

_ROLE = (
    Cause(
        "other_external_id",
        Layer.TENANT_MISMATCH,
        "The role trusts another organisation than the one that asks.",
        (Signs(said_by=(_STS,), findings=(FindingKind.OTHER_TENANT,)),),
        (("make sts:ExternalId in the role's trust policy the id of this Genesys organisation"),),
        HIGH,
        "IAM ExternalId",
    ),
    Cause(
        "other_external_id_in_words",
        Layer.TENANT_MISMATCH,
        "The words tell of an ExternalId that does not match.",
        (
            Signs(
                words=(
                    r"external ?id[^\n]{0,60}(?:mismatch|(?:does|do|did)(?: not|n't) match|"
                    r"not match|incorrect|wrong)|(?:mismatch|wrong|"
                    r"incorrect)[^\n]{0,40}external ?id"
                )
            ),
        ),
        (("make sts:ExternalId in the role's trust policy the id of this Genesys organisation"),),
        MEDIUM,
        "IAM ExternalId",
        ("the role's trust policy (context.role_policy)", "the organisation's id (context.genesys_org_id)"),
    ),
    Cause(
        "trust_refused",
        Layer.INTEGRATION_ROLE,
        "The role's trust policy does not let the vendor in.",
        (
            Signs(said_by=(_STS,), findings=(FindingKind.TRUST_REFUSES,)),
            Signs(denied_by=(PolicyKind.RESOURCE, PolicyKind.TRUST), action="sts:*"),
        ),
        (
            (
                "let the role trust the vendor's account, on condition that sts:ExternalId is "
                "the organisation's id"
            ),
        ),
        HIGH,
        "IAM ExternalId",
    ),
    Cause(
        "assume_not_permitted",
        Layer.IAM_IDENTITY,
        "The caller's own policies do not permit it to assume the role.",
        (Signs(denied_by=_OWN, action="sts:*"),),
        ("allow the caller sts:AssumeRole on this one role",),
        HIGH,
        "IAM denials",
    ),
    Cause(
        "integration_inactive",
        Layer.INTEGRATION_ROLE,
        "The integration that should write is not active.",
        (
            Signs(codes="*.integration.disabled *.integration.invalid"),
            Signs(
                said_by=(_G,),
                words=r"integration (?:\S{1,40} )?(?:is )?(?:not active|inactive|disabled|not enabled)",
            ),
        ),
        ("activate the integration, and look at its state: role, trust and bucket are tried then",),
        MEDIUM,
        "Genesys S3 export",
        ("the integration's reportedState",),
    ),
    Cause(
        "assume_malformed",
        Layer.REQUEST_SCHEMA,
        "STS does not accept the request as it is.",
        (Signs(said_by=(_STS,), codes="Validation* InvalidParameter* Malformed* PackedPolicy*"),),
        ("mend the parameter that the message names; a repetition changes nothing",),
        HIGH,
        "STS AssumeRole",
    ),
    Cause(
        "assume_refused",
        Layer.INTEGRATION_ROLE,
        ("The role could not be assumed: most often its trust policy lacks the caller or the ExternalId."),
        (
            Signs(said_by=(_STS,), codes="AccessDenied* RegionDisabledException"),
            Signs(said_by=(_STS,), action="sts:*"),
            Signs(said_by=(_STS,), words=r"assume[^\n]{0,80}role|role[^\n]{0,80}assume"),
        ),
        (
            (
                "let the role trust the vendor's account 765628985471, on condition that "
                "sts:ExternalId is the organisation's id; check the role's ARN in the "
                "integration"
            ),
        ),
        MEDIUM,
        "STS AssumeRole",
        ("the role's trust policy (context.role_policy)", "the organisation's id (context.genesys_org_id)"),
    ),
)

_DENIALS = (
    Cause(
        "public_access_blocked",
        Layer.BUCKET_POLICY,
        "S3 Block Public Access stands against it: the bucket's policy would be public.",
        (
            Signs(
                words=(
                    r"blockpublic(?:policy|acls)|block public access|public (?:policies|"
                    r"access) (?:are|is) (?:blocked|prevented)"
                )
            ),
        ),
        (("name the one role as Principal instead of everybody; leave Block Public Access on"),),
        HIGH,
        "S3 public access",
    ),
    Cause(
        "bucket_policy_in_words",
        Layer.BUCKET_POLICY,
        "The words blame the bucket's policy.",
        (
            Signs(
                words=(
                    r"bucket policy (?:does not|doesn't|did not) (?:allow|permit)|"
                    r"(?:denied|blocked|refused|rejected) by (?:the |your )?(?:s3 )?bucket'?s? policy"
                )
            ),
        ),
        ("find the statement, and allow the one action to the one role, not to addresses",),
        MEDIUM,
        "S3 403",
        ("the bucket's policy (context.bucket_policy)", "the CloudTrail data event of the refused request"),
    ),
    Cause(
        "role_in_words",
        Layer.INTEGRATION_ROLE,
        "The words blame the role that the vendor assumes.",
        (
            Signs(
                said_by=(_G, _S3, _STS),
                words=(
                    r"\brole\b[^\n]{0,60} (?:lacks|does not have|is missing|missing)"
                    r"[^\n]{0,40}(?:s3:|permission)|"
                    r"trust (?:policy|relationship)[^\n]{0,40} (?:does not|doesn't|missing|invalid)"
                ),
                shapes=(Shape.BY_VENDOR, Shape.NO_CODE),
            ),
        ),
        ("compare the role's policy and trust with what the vendor's writer needs",),
        MEDIUM,
        "Genesys S3 export",
        ("the role's policy (context.role_policy)", "the integration's reportedState"),
    ),
    Cause(
        "bucket_policy_denies",
        Layer.BUCKET_POLICY,
        "The bucket's policy denies it.",
        (Signs(said_by=(_S3,), denied_by=(PolicyKind.RESOURCE,), shapes=(Shape.EXPLICIT,)),),
        (("narrow the denying statement by the one role that is meant, never by everybody"),),
        HIGH,
        "IAM denials",
        ("the bucket's policy (context.bucket_policy): which statement it is",),
    ),
    Cause(
        "bucket_policy_silent",
        Layer.BUCKET_POLICY,
        ("The bucket's policy does not allow it, and the caller comes from another account."),
        (Signs(said_by=(_S3,), denied_by=(PolicyKind.RESOURCE,)),),
        ("allow the one action, on this bucket, to the one role that is meant",),
        HIGH,
        "IAM denials",
        ("the bucket's policy (context.bucket_policy)",),
    ),
    Cause(
        "organisation_guards_resource",
        Layer.BUCKET_POLICY,
        "A resource control policy of the AWS organisation denies it.",
        (Signs(said_by=(_S3, _AWS), denied_by=(PolicyKind.RESOURCE_CONTROL,)),),
        (
            (
                "ask who keeps the AWS organisation's policies to exempt the one role; nothing "
                "in the account helps"
            ),
        ),
        MEDIUM,
        "IAM denials",
        ("the resource control policy that the message names",),
    ),
    Cause(
        "endpoint_policy",
        Layer.IAM_IDENTITY,
        "The policy of a VPC endpoint on the caller's way denies it.",
        (Signs(denied_by=(PolicyKind.ENDPOINT,)),),
        (
            (
                "allow the one action, on this bucket, in the endpoint's policy; or let the "
                "caller go another way"
            ),
        ),
        MEDIUM,
        "IAM denials",
        ("the policy of the VPC endpoint",),
    ),
    Cause(
        "writer_role_denied",
        Layer.INTEGRATION_ROLE,
        "The role that the vendor assumes is not permitted to do it.",
        (Signs(denied_by=(PolicyKind.IDENTITY,), shapes=(Shape.BY_VENDOR, Shape.QUOTED)),),
        (
            (
                "add the one missing action on the evidence bucket to the role's policy; the "
                "vendor's writer needs s3:PutObject, s3:PutObjectAcl, s3:GetBucketLocation and "
                "s3:GetEncryptionConfiguration"
            ),
        ),
        HIGH,
        "Genesys S3 export",
    ),
    Cause(
        "writer_role_denied_by_name",
        Layer.INTEGRATION_ROLE,
        "The role is not permitted to do it, and by its name it is the one that the vendor assumes.",
        (Signs(denied_by=_OWN, shapes=(Shape.BY_VENDOR,)),),
        (
            (
                "add the one missing action on the evidence bucket to the role's policy; the "
                "vendor's writer needs s3:PutObject, s3:PutObjectAcl, s3:GetBucketLocation and "
                "s3:GetEncryptionConfiguration"
            ),
        ),
        MEDIUM,
        "Genesys S3 export",
    ),
    Cause(
        "identity_denied",
        Layer.IAM_IDENTITY,
        "The caller's own policies do not permit it.",
        (Signs(said_by=(_S3, _AWS), denied_by=_OWN),),
        (
            (
                "where nothing allows it: add the one action on the one resource to the "
                "caller's policy; where a boundary, session or organisation policy denies it: "
                "change that one"
            ),
        ),
        HIGH,
        "IAM denials",
    ),
)

_NOT_FOUND = (
    Cause(
        "undocumented_path",
        Layer.NOT_FOUND,
        "The organisation does not have this path; no official source documents it.",
        (Signs(statuses=(404,), shapes=(Shape.UNDOCUMENTED_PATH,)),),
        ("deploy with GenesysDialect=platform, which speaks the documented API",),
        MEDIUM,
        "field reports",
    ),
    Cause(
        "platform_not_found",
        Layer.NOT_FOUND,
        "The platform does not know what was asked for.",
        (
            Signs(said_by=(_G,), codes="not.found *.not.found resource.not.found"),
            Signs(said_by=(_G,), statuses=(404, 410)),
        ),
        (
            (
                "check the ids, and that they belong to this organisation and region; a "
                "recording may be deleted"
            ),
        ),
        HIGH,
        "Genesys API",
    ),
    Cause(
        "aws_not_found",
        Layer.NOT_FOUND,
        "S3 does not have the bucket, key or version, or AWS the resource.",
        (
            Signs(codes="NoSuch* *NotFoundError 404 NotFound ResourceNotFoundException NoSuchEntity*"),
            Signs(
                said_by=(*_ANY_AWS, _NOBODY),
                words=r"specified (?:bucket|key|version|upload)[^\n]{0,20} does not exist",
            ),
            Signs(said_by=_ANY_AWS, statuses=(404,)),
        ),
        ("check the bucket's and the key's names, and the account and region",),
        HIGH,
        "S3 errors",
    ),
)

_CONFLICTS = (
    Cause(
        "hold_request_incomplete",
        Layer.REQUEST_SCHEMA,
        "The request for a hold lacks what the dialect `compliance` asks for.",
        (
            Signs(said_by=(_G, _NOBODY), statuses=(400, 403, 409, 422), shapes=(Shape.HOLD_FAULT,)),
            Signs(said_by=(_G,), words=r"missing (?:legal.?hold.?)?acknowledge?ment"),
        ),
        (
            (
                "send legal_hold_acknowledgement true, and an externalReferenceId of 3 to 64 "
                "letters, digits and hyphens"
            ),
        ),
        MEDIUM,
        "field reports",
    ),
    Cause(
        "stale_version",
        Layer.REQUEST_SCHEMA,
        "The request carries the version of something that has changed meanwhile.",
        (Signs(said_by=(_G,), codes="version.conflict"),),
        ("read it again, and send the change with its present version",),
        MEDIUM,
        "Genesys API",
    ),
    Cause(
        "hold_conflict",
        Layer.HOLD_CONFLICT,
        "Somebody else is changing the hold of the same thing.",
        (
            Signs(said_by=(_G,), statuses=(409,), shapes=(Shape.PLACES_HOLD,)),
            Signs(said_by=(_G,), statuses=(409,), words=r"\bhold\b|legal ?hold|protect|metadata conflict"),
            Signs(codes="OperationAborted ConditionalRequestConflict", shapes=(Shape.PLACES_HOLD,)),
        ),
        (("read the hold back first: if it is ours, it is done; else repeat with growing pauses"),),
        HIGH,
        "Genesys API",
    ),
    Cause(
        "conflict",
        Layer.HOLD_CONFLICT,
        "Somebody else is changing the same thing.",
        (
            Signs(said_by=(_G,), statuses=(409,)),
            Signs(codes="request.conflict general.conflict *.conflict"),
            Signs(codes="OperationAborted ConditionalRequestConflict ConflictException"),
            Signs(words=r"metadata conflict|conflict during (?:the )?(?:legal )?hold"),
        ),
        (("read what is there now; if it is what was wanted, it is done; else repeat with growing pauses"),),
        MEDIUM,
        "Genesys API",
    ),
)

_TOKEN = (
    Cause(
        "client_refused",
        Layer.OAUTH_TOKEN,
        "The platform does not know the OAuth client, or its secret is wrong.",
        (
            Signs(codes=("invalid_client unauthorized_client invalid_grant unsupported_grant_type")),
            Signs(said_by=(_G, _NOBODY), words=r"invalid_client|client not found"),
        ),
        (
            (
                "put the client's id and secret into the Genesys secret, and check that the "
                "client is enabled, uses client credentials, and belongs to this region"
            ),
        ),
        HIGH,
        "Genesys SDK",
    ),
    Cause(
        "address_not_allowed",
        Layer.GENESYS_PERMISSION,
        "The organisation's allow list of addresses shuts the caller out.",
        (Signs(codes="ip.not.authorized"),),
        (("put the caller's addresses on the organisation's list; a new token does not help"),),
        MEDIUM,
        "Genesys API",
    ),
    Cause(
        "token_refused",
        Layer.OAUTH_TOKEN,
        "The token is missing, expired, revoked, or of another region.",
        (
            Signs(codes="bad.credentials authentication.required invalid_token token.expired"),
            Signs(said_by=(_G, _NOBODY), statuses=(401,)),
            Signs(
                said_by=(_G, _NOBODY),
                words=(
                    r"\btoken\b[^\n]{0,40} (?:expired|revoked|invalid)|expired (?:access |"
                    r"oauth |bearer )?token|no authentication bearer token|"
                    r"stale (?:access )?token"
                ),
            ),
        ),
        ("fetch one new token, share it among all callers, and repeat the call once",),
        HIGH,
        "Genesys SDK",
    ),
)

_PERMISSIONS = (
    Cause(
        "permission_missing",
        Layer.GENESYS_PERMISSION,
        "The OAuth client's roles lack a permission, or a division.",
        (
            Signs(
                codes=(
                    "missing.*permission* not.authorized authz.policy.denied "
                    "*.permission.denied *.permission.check.failed *.not.authorized"
                )
            ),
        ),
        (
            (
                "give the OAuth client a role with the named permissions in the right "
                "divisions; a client of client credentials has no scopes, its roles decide; a "
                "new token does not help"
            ),
        ),
        HIGH,
        "Genesys API",
    ),
    Cause(
        "scope_missing",
        Layer.GENESYS_PERMISSION,
        "The OAuth client lacks a scope.",
        (
            Signs(codes=("app.not.authorized.for.scope insufficient_scope invalid_scope missing.scope*")),
            Signs(
                said_by=(_G, _NOBODY),
                words=(
                    r"(?:missing|insufficient|required?|lacks?)[^\n]{0,30}\bscopes?\b|"
                    r"\bscopes?\b[^\n]{0,30}(?:missing|insufficient|mismatch|required|"
                    r"not granted)"
                ),
            ),
        ),
        (("give the OAuth client the named scope; a client of client credentials needs roles instead"),),
        HIGH,
        "Genesys SDK",
    ),
    Cause(
        "permission_in_words",
        Layer.GENESYS_PERMISSION,
        "The platform says in words that a permission is missing.",
        (
            Signs(
                said_by=(_G, _NOBODY),
                statuses=(403,),
                words=(
                    r"(?:missing|insufficient|lacks?|requires?|does not have|"
                    r"no)[^\n]{0,40}\b(?:permissions?|privileges?)\b|"
                    r"not authorized to perform the requested|not (?:authorized|permitted|"
                    r"allowed) to|only the (?:user|client) that created"
                ),
            ),
        ),
        ("give the OAuth client a role with that permission in the right divisions",),
        MEDIUM,
        "Genesys API",
    ),
)

_TENANT = (
    Cause(
        "other_tenant",
        Layer.TENANT_MISMATCH,
        "A policy, or the request, is about another Genesys organisation.",
        (
            Signs(findings=(FindingKind.OTHER_TENANT,), shapes=(Shape.BARE,)),
            Signs(findings=(FindingKind.OTHER_TENANT,), shapes=(Shape.NO_CODE,)),
            Signs(
                words=(
                    r"(?:tenant|organi[sz]ation)(?:[ -]?id)?[^\n]{0,60}(?:mismatch|(?:do|does|"
                    r"did)(?: not|n't) match|not match|different|another|does not belong)|"
                    r"(?:mismatch|belongs? to (?:an?)?(?:other| different))[^\n]{0,80}(?:tenant|"
                    r"organi[sz]ation)"
                )
            ),
        ),
        (
            (
                "use this organisation's id everywhere: as ExternalId of the role, in the "
                "bucket's policy, and in the keys"
            ),
        ),
        MEDIUM,
        "Genesys S3 export",
        ("the organisation's id (context.genesys_org_id)", "the trust policy and the bucket's policy"),
    ),
)

_SHOWN_BY_POLICIES = tuple(
    Cause(id_, layer, title, signs, remedy, confidence, "IAM evaluation")
    for id_, layer, title, signs, remedy, confidence in (
        (
            "bucket_policy_denies_caller",
            Layer.BUCKET_POLICY,
            "The bucket's policy denies it, by the statement that is named.",
            tuple(
                Signs(findings=(FindingKind.BUCKET_DENIES,), shapes=(shape,))
                for shape in (Shape.BARE, Shape.NO_CODE)
            ),
            (),
            HIGH,
        ),
        (
            "writer_role_lacks",
            Layer.INTEGRATION_ROLE,
            "The policy of the role that the vendor assumes does not permit it.",
            tuple(
                Signs(
                    findings=(FindingKind.ROLE_DENIES, FindingKind.ROLE_LACKS),
                    shapes=(shape, Shape.BY_VENDOR, Shape.QUOTED),
                )
                for shape in (Shape.BARE, Shape.NO_CODE)
            ),
            (),
            HIGH,
        ),
        (
            "writer_role_lacks_by_name",
            Layer.INTEGRATION_ROLE,
            "The role's policy does not permit it; by its name, the vendor assumes it.",
            tuple(
                Signs(
                    findings=(FindingKind.ROLE_DENIES, FindingKind.ROLE_LACKS),
                    shapes=(shape, Shape.BY_VENDOR),
                )
                for shape in (Shape.BARE, Shape.NO_CODE)
            ),
            (),
            MEDIUM,
        ),
        (
            "identity_policy_lacks",
            Layer.IAM_IDENTITY,
            "The caller's own policy does not permit it.",
            tuple(
                Signs(findings=(FindingKind.ROLE_DENIES, FindingKind.ROLE_LACKS), shapes=(shape,))
                for shape in (Shape.BARE, Shape.NO_CODE)
            ),
            (),
            HIGH,
        ),
        (
            "bucket_policy_means_others",
            Layer.BUCKET_POLICY,
            "The bucket's policy allows it to others, or under a condition that does not hold.",
            tuple(
                Signs(findings=(FindingKind.BUCKET_ALLOWS_OTHERS,), shapes=(shape,))
                for shape in (Shape.BARE, Shape.NO_CODE)
            ),
            (),
            MEDIUM,
        ),
    )
)

_SUSPECTED = (
    Cause(
        "stale_token",
        Layer.OAUTH_TOKEN,
        "The token had outlived its time when the platform said 403.",
        (Signs(said_by=(_G, _NOBODY), statuses=(403,), shapes=(Shape.TOKEN_EXPIRED,)),),
        (("fetch a new token before its life ends, shared among all callers, and repeat the call once"),),
        MEDIUM,
        "field reports",
    ),
    Cause(
        "hold_flag_in_export",
        Layer.REQUEST_SCHEMA,
        "The export request carries a hold flag: moving and holding must not be mixed.",
        (
            Signs(
                said_by=(_G, _NOBODY),
                statuses=(400, 403, 409, 422, 500, 502, 503, 504),
                shapes=(Shape.HOLD_FLAG,),
            ),
            Signs(said_by=(_G,), statuses=(500,), words=r"legal.?hold[^\n]{0,40} (?:metadata|resol)"),
        ),
        (
            (
                "take the flag out of the export request; place the hold after the upload, at "
                "the platform and by Object Lock"
            ),
        ),
        MEDIUM,
        "field reports",
    ),
    Cause(
        "manifest_not_v2",
        Layer.REQUEST_SCHEMA,
        "The export request lacks what the dialect `compliance` asks for.",
        (Signs(said_by=(_G, _NOBODY), statuses=(400, 403, 422, 500), shapes=(Shape.MANIFEST_FAULT,)),),
        (
            (
                "send manifest_version v2 and include_participant_id true; for digital and "
                "BYOC channels include_metadata false"
            ),
        ),
        MEDIUM,
        "field reports",
    ),
)

_REQUESTS = (
    Cause(
        "platform_rejects_request",
        Layer.REQUEST_SCHEMA,
        "The platform does not accept the request as it is.",
        (
            Signs(
                said_by=(_G,),
                codes=(
                    "bad.request constraint.validation invalid.* *.invalid *.invalid.* "
                    "unsupported.media.type request.entity.too.large payload.too.large "
                    "response.entity.too.large not.implemented *.bad.request *.empty.payload "
                    "*.too.many.items *.not.uuid *.not.archivable client.failed.request "
                    "method.not.allowed invalid_request"
                ),
            ),
        ),
        (("mend the field that the platform's code names; a repetition changes nothing"),),
        HIGH,
        "Genesys API",
    ),
    Cause(
        "wrong_region",
        Layer.REQUEST_SCHEMA,
        "The request went to another region than the bucket's.",
        (
            Signs(
                codes=(
                    "PermanentRedirect TemporaryRedirect AuthorizationHeaderMalformed "
                    "IllegalLocationConstraintException IncorrectEndpoint 301"
                )
            ),
            Signs(said_by=(_S3,), statuses=(301, 307)),
        ),
        (("address the bucket in its own region; the answer's x-amz-bucket-region says which"),),
        MEDIUM,
        "S3 errors",
    ),
    Cause(
        "object_archived",
        Layer.REQUEST_SCHEMA,
        "The object lies in an archive and must be restored before it can be read.",
        (Signs(codes="InvalidObjectState"),),
        ("restore the object first; lock and tags need no read and work all the same",),
        MEDIUM,
        "S3 errors",
    ),
    Cause(
        "method_not_allowed",
        Layer.REQUEST_SCHEMA,
        "The method does not fit: most often the version is a delete marker.",
        (
            Signs(codes="MethodNotAllowed"),
            Signs(said_by=_ANY_AWS, statuses=(405,)),
        ),
        (("name a version that is an object; a delete marker has no bytes, tags or locks"),),
        MEDIUM,
        "S3 errors",
    ),
    Cause(
        "acl_not_supported",
        Layer.REQUEST_SCHEMA,
        "The request carries an ACL, and the bucket's owner has switched ACLs off.",
        (Signs(codes="AccessControlListNotSupported"),),
        ("leave the ACL out; if the vendor's writer sends one, only BucketOwnerPreferred helps",),
        MEDIUM,
        "S3 errors",
        ("the bucket's ownership controls",),
    ),
    Cause(
        "aws_rejects_request",
        Layer.REQUEST_SCHEMA,
        "AWS does not accept the request as it is.",
        (
            Signs(
                codes=(
                    "Malformed* InvalidArgument InvalidRequest InvalidTag* InvalidDigest "
                    "BadDigest EntityToo* KeyTooLong* MissingContentLength Missing* "
                    "InvalidPart* InvalidURI InvalidBucketName XAmzContent* IncompleteBody "
                    "MetadataTooLarge InvalidStorageClass InvalidEncryptionAlgorithmError "
                    "NotImplemented Validation* Serialization* "
                    "InvalidParameter* InvalidAction PackedPolicyTooLarge* "
                    "InvalidLocationConstraint InvalidRange InvalidBucketState BucketAlready* "
                    "UserKeyMustBeSpecified Unresolvable* MaxMessageLengthExceeded BadRequest"
                )
            ),
        ),
        ("mend the field that the code names; a repetition changes nothing",),
        HIGH,
        "S3 errors",
    ),
)

_UNDECIDED = (
    Cause(
        "old_wording",
        Layer.INTEGRATION_ROLE,
        ("The role that the vendor assumes is denied, and AWS does not say by which policy."),
        (Signs(said_by=(_S3,), action="*:*", shapes=(Shape.BY_VENDOR,)),),
        (("compare the role's policy with the four actions that the vendor's writer needs"),),
        LOW,
        "IAM denials",
        _POLICIES,
    ),
    Cause(
        "old_wording_own",
        Layer.IAM_IDENTITY,
        ("The caller is denied, and AWS does not say by which policy; most often its own does not allow it."),
        (Signs(said_by=(_S3, _AWS), action="*:*"),),
        ("compare the caller's policy with the action that was denied",),
        LOW,
        "IAM denials",
        _POLICIES,
    ),
    Cause(
        "presigned_denied",
        Layer.PRESIGNED_URL,
        ("A presigned request was denied: most often its signer may not do it itself, or no longer."),
        (Signs(said_by=(_S3,), shapes=(Shape.PRESIGNED, Shape.BARE)),),
        ("ask for a new URL from a signer that may do it itself",),
        LOW,
        "S3 presigned URLs",
        ("who signed the URL, and that role's policy", *_POLICIES[1:]),
    ),
    Cause(
        "precondition_failed",
        Layer.HOLD_CONFLICT,
        "The thing is no longer what the request took it for.",
        (Signs(codes="PreconditionFailed"), Signs(said_by=_ANY_AWS, statuses=(412,))),
        ("read what is there now; if it is what was wanted, it is done",),
        LOW,
        "S3 errors",
    ),
    Cause(
        "suspected_token",
        Layer.OAUTH_TOKEN,
        "The platform said 403 without a reason, and the token was past half its life.",
        (Signs(said_by=(_G, _NOBODY), statuses=(403,), shapes=(Shape.TOKEN_PAST_HALF, Shape.NO_CODE)),),
        (("fetch a new token and repeat the call once; if it is refused again, it is not the token"),),
        LOW,
        "field reports",
        ("the OAuth client's roles and divisions", _TELL[0]),
    ),
    Cause(
        "denied_without_reason",
        Layer.UNKNOWN,
        "AWS denied it without a reason, and what was given does not show who.",
        (Signs(shapes=(Shape.BARE,)),),
        (),
        LOW,
        "S3 403",
        _POLICIES,
    ),
    Cause(
        "forbidden_without_reason",
        Layer.UNKNOWN,
        "The platform said 403 without a reason.",
        (Signs(said_by=(_G, _NOBODY), statuses=(403,)),),
        (),
        LOW,
        "Genesys API",
        (
            "the body of the refusal: its code tells a permission from a token",
            "the token's age and life (context.token_age_s, context.expires_in_s)",
            "the OAuth client's roles and divisions",
            "the request (context.request)",
        ),
    ),
    Cause(
        "trouble",
        Layer.UNKNOWN,
        "The other side could not answer, which is no refusal.",
        (
            Signs(statuses=(408, 500, 502, 503, 504)),
            Signs(
                codes=(
                    "InternalError InternalFailure ServiceUnavailable internal.server.error "
                    "service.unavailable request.timeout RequestTimeout"
                )
            ),
        ),
        ("read back whether it took effect before repeating it",),
        LOW,
        "Genesys API",
        (
            "the correlation id, for the vendor's support",
            "the vendor's status page",
            "the request (context.request)",
        ),
    ),
    Cause(
        "kms_other",
        Layer.KMS,
        "KMS does not do it, for a reason that no rule knows.",
        (Signs(said_by=(_KMS,), codes="*Exception"),),
        ("look the code up in the KMS API reference",),
        LOW,
        "KMS errors",
        ("the key's state, usage and policy",),
    ),
    Cause(
        "rejected_by_status",
        Layer.REQUEST_SCHEMA,
        "The request was not accepted; which field it was, no rule knows.",
        (
            Signs(said_by=(_G,), statuses=(400, 405, 406, 411, 413, 414, 415, 422, 501)),
            Signs(said_by=_ANY_AWS, statuses=(400, 411, 413, 416)),
        ),
        ("look the code up, and mend what it names; a repetition changes nothing",),
        LOW,
        "Genesys API",
        ("the whole body of the refusal", "the request (context.request)"),
    ),
)

NOT_RECOGNISED = Cause(
    "not_recognised",
    Layer.UNKNOWN,
    "None of the rules fits.",
    (),
    (),
    LOW,
    "Holdfast",
    _TELL,
)


def _ours(
    error: str, layer: Layer | Origin, advice: str, confidence: Confidence = HIGH, title: str = ""
) -> Cause:
    return Cause(
        error, layer, title or f"{error}.", (Signs(errors=(error,)),), (advice,), confidence, "Holdfast"
    )


# What a workflow of ours ends with, by the error's class name.
OURS: Sequence[Cause] = tuple(
    _ours(error, layer, advice)
    for error, layer, advice in (
        ("RequestRefused", Layer.REQUEST_SCHEMA, "mend the named fields and send the event again"),
        ("RequestIdConflict", Layer.REQUEST_SCHEMA, "send the changed request under a new request id"),
        (
            "MatterReleasing",
            Layer.HOLD_CONFLICT,
            "wait until the matter's release is done, then send the same request again",
        ),
        (
            "ReleasePlanChanged",
            Origin.LEDGER,
            "find out who changed the plan in the records bucket, then ask for another release",
        ),
        (
            "StandingMatterConflict",
            Layer.REQUEST_SCHEMA,
            "compare with what is known of the matter, which the message tells, and send another event",
        ),
        ("SettingsInvalid", Origin.SETTINGS, "mend the named stack parameters and deploy again"),
        ("PreflightBlocked", Origin.PREFLIGHT, "mend each finding, then send the same request again"),
        (
            "CredentialsRefused",
            Layer.OAUTH_TOKEN,
            "put the OAuth client's id and secret into the Genesys secret, and check that it is enabled",
        ),
        (
            "PermissionMissing",
            Layer.GENESYS_PERMISSION,
            "give the OAuth client a role with the named permissions in the right divisions",
        ),
        (
            "SensitiveNotPermitted",
            Layer.GENESYS_PERMISSION,
            "give the OAuth client the named permission, then send the scope under a new request id",
        ),
        (
            "PlatformRejected",
            Layer.REQUEST_SCHEMA,
            "look up the platform's code; the request itself was not accepted",
        ),
        (
            "PlatformNotFound",
            Layer.NOT_FOUND,
            "check that integration and conversations exist in this organisation",
        ),
        ("PayloadTooLarge", Layer.REQUEST_SCHEMA, "deploy with a smaller BatchSize"),
        (
            "PlatformThrottled",
            Layer.RATE_LIMIT,
            "send the same request again later, or ask the vendor for a higher limit",
        ),
        (
            "PlatformConflict",
            Layer.HOLD_CONFLICT,
            "find out who else changes these conversations, then send again",
        ),
        (
            "PlatformUnavailable",
            Origin.PLATFORM,
            "check the vendor's status page, then send the same request again",
        ),
        (
            "PlatformAnswerLost",
            Origin.PLATFORM,
            "send the same request again; what took effect is found, not repeated",
        ),
        (
            "TokenRefreshPending",
            Layer.OAUTH_TOKEN,
            "check whether the token endpoint answers, then send again",
        ),
        (
            "UnknownPlatformState",
            Origin.PLATFORM,
            "the vendor added a state; this program must learn it first",
        ),
        (
            "ScopeQueryFailed",
            Origin.PLATFORM,
            "narrow the scope's interval, then send under a new request id",
        ),
        (
            "ConversationLifting",
            Layer.HOLD_CONFLICT,
            "a release of the same conversations is under way; send again after",
        ),
        ("LedgerContention", Origin.LEDGER, "send the same request again"),
        (
            "AwsRefused",
            Origin.AWS,
            "read who was denied which action on what, and compare with the stack's template",
        ),
        (
            "AwsUnavailable",
            Origin.AWS,
            "check the AWS Health Dashboard, then send the same request again",
        ),
        (
            "LedgerRuleBroken",
            Origin.LEDGER,
            "nothing was overwritten; this is a defect, report it with the error's text",
        ),
        ("States.Timeout", Origin.WORKFLOW, "a step took longer than it may; read its log"),
    )
)

NOT_OURS = Cause(
    "unknown_error",
    Layer.UNKNOWN,
    "An error that no rule knows.",
    (),
    ("read the failed function's log, and keep its request ids",),
    LOW,
    "Holdfast",
)

CAUSES: Sequence[Cause] = (
    *_RATE_LIMITS,
    *_PRESIGNED,
    *_OBJECT_LOCK,
    *_AWS_CREDENTIALS,
    *_KEYS,
    *_ROLE,
    *_DENIALS,
    *_TOKEN,
    *_PERMISSIONS,
    *_NOT_FOUND,
    *_CONFLICTS,
    *_TENANT,
    *_SHOWN_BY_POLICIES,
    *_SUSPECTED,
    *_REQUESTS,
    *_UNDECIDED,
)
