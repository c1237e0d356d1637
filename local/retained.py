"""Adopts what a deleted stack left behind: writes what a CloudFormation import of it needs.

`python -m local.retained RESOURCES --out FOLDER`, where RESOURCES is what `aws cloudformation
describe-stack-resources` said before the stack was deleted. An import may contain nothing but the resources
that are imported, so of each only that is left which refers to nothing else; the deployment that follows sets
the rest.

Source: AWS CloudFormation User Guide, "Import AWS resources into a CloudFormation stack", read 2026-11-21.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from local.template import Template, read_template

TEMPLATE = Path(__file__).parents[1] / "template.yaml"
# By which property CloudFormation knows a resource of a type.
IDENTIFIERS: Mapping[str, str] = {
    "AWS::S3::Bucket": "BucketName",
    "AWS::S3::BucketPolicy": "Bucket",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::KMS::Key": "KeyId",
}
_PSEUDO = "AWS::"


def retained(template: Template) -> dict[str, dict[str, Any]]:
    """Give the resources that stay when the stack is deleted, by logical id."""
    return {
        name: resource
        for name, resource in template["Resources"].items()
        if resource.get("DeletionPolicy", "").startswith("Retain")
    }


def import_template(template: Template) -> dict[str, Any]:
    """Give the template of the import: what stays, without what refers to anything that does not."""
    staying = retained(template)
    known = staying.keys() | template["Parameters"].keys()
    resources = {
        name: {
            "Type": resource["Type"],
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": _within(resource["Properties"], known),
        }
        for name, resource in staying.items()
    }
    used = set(_references(resources))
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": {name: one for name, one in template["Parameters"].items() if name in used},
        "Resources": resources,
    }


def to_import(template: Template, described: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Name the resources of an import as CloudFormation asks for them.

    Raises:
        KeyError: one of them was not in the stack that was described.
    """
    physical = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in described["StackResources"]}
    return [
        {
            "ResourceType": resource["Type"],
            "LogicalResourceId": name,
            "ResourceIdentifier": {IDENTIFIERS[resource["Type"]]: physical[name]},
        }
        for name, resource in retained(template).items()
    ]


def _within(properties: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    """Leave out each property, and each statement of a policy, that refers to what is not known."""
    kept = {name: value for name, value in properties.items() if _refers_within(value, known)}
    policy = properties.get("PolicyDocument")
    if policy and "PolicyDocument" not in kept:
        own = [one for one in policy["Statement"] if _refers_within(one, known)]
        kept["PolicyDocument"] = {**policy, "Statement": own}
    return kept


def _refers_within(value: Any, known: set[str]) -> bool:
    return set(_references(value)) <= known


def _references(value: Any) -> Iterator[str]:
    """Name the resources, parameters and conditions that a value refers to."""
    if isinstance(value, list):
        for one in value:
            yield from _references(one)
    if not isinstance(value, dict):
        return
    for name, given in value.items():
        match name:
            case "Ref":
                yield from [given] if not given.startswith(_PSEUDO) else []
            case "Fn::GetAtt":
                yield given[0] if isinstance(given, list) else given.partition(".")[0]
            case "Fn::Sub":
                text = given if isinstance(given, str) else given[0]
                yield from (
                    one.partition("}")[0].partition(".")[0]
                    for one in text.split("${")[1:]
                    if not one.startswith((_PSEUDO, "!"))
                )
            case "Fn::If":
                yield given[0]
                yield from _references(given[1:])
            case _:
                yield from _references(given)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.retained", description=__doc__)
    parser.add_argument("resources", type=Path, help="what describe-stack-resources said")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    arguments = parser.parse_args()
    template, described = read_template(TEMPLATE), json.loads(arguments.resources.read_text())
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, document in (
        ("template", import_template(template)),
        ("resources", to_import(template, described)),
    ):
        (arguments.out / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
