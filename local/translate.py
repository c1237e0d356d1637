"""Translates the SAM template to the CloudFormation that AWS makes of it, uploading nothing.

Runs in SAM's environment: `.venvs/sam/bin/python -m local.translate [template.yaml]` prints it as JSON.
"""

import json
import os
import sys
from pathlib import Path

from samtranslator.translator.transform import transform

from local.template import Template, read_template


class _NoManagedPolicies:
    """Stands for AWS's list of managed policies: the template names none."""

    def load(self) -> dict[str, str]:
        return {}


def translate(path: Path) -> Template:
    """Return the CloudFormation that AWS would make of the SAM template, without uploading anything."""
    template = read_template(path)
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::Serverless::Function":
                properties["CodeUri"] = f"s3://archives/{name}"
            case "AWS::Serverless::LayerVersion":
                properties["ContentUri"] = f"s3://archives/{name}"
            case "AWS::Serverless::StateMachine" if "DefinitionUri" in properties:
                properties["Definition"] = json.loads(
                    (path.parent / properties.pop("DefinitionUri")).read_text()
                )
    os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")
    translated: Template = transform(template, {}, _NoManagedPolicies())
    return translated


if __name__ == "__main__":
    print(json.dumps(translate(Path(*(sys.argv[1:] or ["template.yaml"]))), indent=2))
