"""Deploys a template into the emulated AWS: packages it, creates the stack, mends what the emulator drops."""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from local.template import Template, read_template

ARCHIVES = Path(__file__).parents[1] / "build/archives"
_ARCHIVE_BUCKET = "deployment-archives"
_ARCHIVED = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}


class DeploymentFailed(RuntimeError):
    """The stack was not created; the message names each resource that failed, and why."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployed stack: its outputs, and the physical id of each resource by its logical one."""

    name: str
    outputs: Mapping[str, str]
    resources: Mapping[str, str]


def deploy(
    session: boto3.Session, endpoint_url: str, template_path: Path, parameters: Mapping[str, str], *,
    name: str = "holdfast", config: Config | None = None,
) -> Stack:  # fmt: skip
    """Create the stack of the template, whose code paths may be those of a source or of a build.

    Raises:
        DeploymentFailed: with every reason that CloudFormation gives.
    """
    template = read_template(template_path)
    s3 = session.client("s3", endpoint_url=endpoint_url, config=config)
    _package(s3, template, template_path.parent, session.region_name)
    _state_numbers(template, parameters)

    cloudformation = session.client("cloudformation", endpoint_url=endpoint_url, config=config)
    try:
        cloudformation.create_stack(
            StackName=name,
            TemplateURL=_upload(s3, endpoint_url, template),  # as a body it may have 51,200 bytes, no more
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=name,
            WaiterConfig={"Delay": 0.2, "MaxAttempts": 600},  # type: ignore[typeddict-item]
        )
    except (ClientError, WaiterError) as refusal:
        raise DeploymentFailed(_reasons(cloudformation, name, refusal)) from refusal

    described = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    resources = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    stack = Stack(
        name=name,
        outputs={output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])},
        resources={resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources},
    )
    restore(s3, template, stack, parameters)
    return stack


def restore(s3: Any, template: Template, stack: Stack, parameters: Mapping[str, str]) -> None:
    """Configure what the template declares of its buckets and the emulator drops."""
    _configure_object_lock(s3, template, stack, parameters)
    _configure_encryption(s3, template, stack)


def _state_numbers(template: Template, parameters: Mapping[str, str]) -> None:
    """Replace references to numbers by the numbers: the emulator hands every parameter on as text.

    Left alone is what is text on AWS too: a function's environment.
    """
    numbers = {
        name: int(parameters.get(name, declared.get("Default")))
        for name, declared in template.get("Parameters", {}).items()
        if declared["Type"] == "Number"
    }

    def stated(value: Any) -> Any:
        if isinstance(value, dict):
            if set(value) == {"Ref"} and value["Ref"] in numbers:
                return numbers[value["Ref"]]
            return {key: inner if key == "Environment" else stated(inner) for key, inner in value.items()}
        return [stated(inner) for inner in value] if isinstance(value, list) else value

    template["Resources"] = stated(template["Resources"])


def _upload(s3: Any, endpoint_url: str, template: Template) -> str:
    s3.put_object(Bucket=_ARCHIVE_BUCKET, Key="template.json", Body=json.dumps(template).encode())
    return f"{endpoint_url}/{_ARCHIVE_BUCKET}/template.json"


def _package(s3: Any, template: Template, folder: Path, region: str) -> None:
    s3.create_bucket(Bucket=_ARCHIVE_BUCKET, CreateBucketConfiguration={"LocationConstraint": region})
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if where := _ARCHIVED.get(resource["Type"]):
            archive = _archive(folder / properties[where])
            s3.upload_file(str(archive), _ARCHIVE_BUCKET, archive.name)
            properties[where] = {"Bucket": _ARCHIVE_BUCKET, "Key": archive.name}
        elif resource["Type"] == "AWS::Serverless::StateMachine" and "DefinitionUri" in properties:
            properties["Definition"] = json.loads((folder / properties.pop("DefinitionUri")).read_text())


def _archive(folder: Path) -> Path:
    """Zip the folder, or return the zip of the same content that an earlier run made."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    archive = ARCHIVES / f"{digest.hexdigest()}.zip"
    if not archive.exists():
        ARCHIVES.mkdir(parents=True, exist_ok=True)
        # Two worlds may start at once, and each packs for itself; stored, since every worker unpacks it.
        with NamedTemporaryFile(dir=ARCHIVES, suffix=".part", delete=False) as unfinished:
            with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as packed:
                for path in files:
                    packed.write(path, path.relative_to(folder))
            Path(unfinished.name).replace(archive)
    return archive


def _reasons(cloudformation: Any, name: str, refusal: Exception) -> str:
    try:
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    except ClientError:
        return f"The stack was refused: {refusal}"
    failures = [
        f"  {event['LogicalResourceId']} ({event['ResourceType']}): {event['ResourceStatusReason']}"
        for event in reversed(events)
        if event["ResourceStatus"].endswith("FAILED") and event.get("ResourceStatusReason")
    ]
    return "\n".join(["The stack was not created:", *(failures or [f"  {refusal}"])])


def _configure_object_lock(s3: Any, template: Template, stack: Stack, parameters: Mapping[str, str]) -> None:
    """Lock the buckets that the template declares with Object Lock: the emulator drops that property."""
    for logical_id, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] != "AWS::S3::Bucket" or not properties.get("ObjectLockEnabled"):
            continue
        declared = _resolve(properties.get("ObjectLockConfiguration", {}), template, parameters)
        lock: dict[str, Any] = {"ObjectLockEnabled": "Enabled"}
        if retention := declared.get("Rule", {}).get("DefaultRetention"):
            periods = {unit: int(retention[unit]) for unit in ("Days", "Years") if unit in retention}
            lock |= {"Rule": {"DefaultRetention": {"Mode": retention["Mode"], **periods}}}
        s3.put_object_lock_configuration(Bucket=stack.resources[logical_id], ObjectLockConfiguration=lock)


def _configure_encryption(s3: Any, template: Template, stack: Stack) -> None:
    """Encrypt the buckets as the template declares: the emulator drops that property, too."""
    for logical_id, resource in template["Resources"].items():
        declared = resource.get("Properties", {}).get("BucketEncryption")
        if resource["Type"] != "AWS::S3::Bucket" or not declared:
            continue
        (rule,) = declared["ServerSideEncryptionConfiguration"]
        default = rule["ServerSideEncryptionByDefault"]
        key = stack.resources[default["KMSMasterKeyID"]["Fn::GetAtt"][0]]
        s3.put_bucket_encryption(
            Bucket=stack.resources[logical_id],
            ServerSideEncryptionConfiguration={
                "Rules": [
                    {
                        "BucketKeyEnabled": rule["BucketKeyEnabled"],
                        "ApplyServerSideEncryptionByDefault": {
                            "SSEAlgorithm": default["SSEAlgorithm"],
                            "KMSMasterKeyID": key,
                        },
                    }
                ]
            },
        )


def _resolve(value: Any, template: Template, parameters: Mapping[str, str]) -> Any:
    """Replace references to parameters by their values."""
    if isinstance(value, dict):
        if set(value) == {"Ref"} and value["Ref"] in template.get("Parameters", {}):
            return parameters.get(value["Ref"], template["Parameters"][value["Ref"]].get("Default"))
        if unknown := next((key for key in value if key == "Ref" or key.startswith("Fn::")), None):
            raise DeploymentFailed(
                f"ObjectLockConfiguration may refer to parameters, and has {unknown}: {value[unknown]}"
            )
        return {key: _resolve(inner, template, parameters) for key, inner in value.items()}
    return [_resolve(inner, template, parameters) for inner in value] if isinstance(value, list) else value
