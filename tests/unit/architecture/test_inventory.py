"""What the template has S3 Inventory write is what the reader reads."""

from pathlib import Path
from typing import Any

from holdfast.aws import inventory
from local.template import read_template
from tests.unit.architecture.stack import statements

RESOURCES = read_template(Path(__file__).parents[3] / "template.yaml")["Resources"]
# What an inventory of all versions has in any case.
# Source: Amazon S3 User Guide, "Amazon S3 Inventory list".
ALWAYS = {"Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker"}


def _configuration() -> dict[str, Any]:
    condition, (configured,), otherwise = RESOURCES["EvidenceBucket"]["Properties"][
        "InventoryConfigurations"
    ]["Fn::If"]
    assert (condition, otherwise) == ("HasInventory", {"Ref": "AWS::NoValue"})
    found: dict[str, Any] = configured
    return found


def test_an_inventory_has_the_columns_and_the_place_that_are_read() -> None:
    configured = _configuration()
    destination = configured["Destination"]

    assert ALWAYS | set(configured["OptionalFields"]) == inventory.COLUMNS | {"Bucket", "IsLatest"}
    assert configured["IncludedObjectVersions"] == "All"
    assert (configured["Id"], destination["Prefix"]) == (inventory.CONFIGURATION, inventory.PREFIX)
    assert destination["Format"] == "CSV"
    assert destination["BucketArn"] == {"Fn::GetAtt": ["WorkBucket", "Arn"]}


def test_s3_alone_may_deliver_it_and_of_this_bucket_alone() -> None:
    policy = RESOURCES["WorkBucketPolicy"]["Properties"]["PolicyDocument"]
    (delivery,) = [one for one in statements(policy) if one["Effect"] == "Allow"]

    assert delivery["Principal"] == {"Service": "s3.amazonaws.com"}
    assert delivery["Action"] == ["s3:PutObject"]
    assert delivery["Resource"] == [{"Fn::Sub": f"${{WorkBucket.Arn}}/{inventory.PREFIX}/*"}]
    name = RESOURCES["EvidenceBucket"]["Properties"]["BucketName"]["Fn::Sub"]
    arn = {"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::{name}"}
    assert delivery["Condition"]["ArnEquals"] == {"aws:SourceArn": arn}
    assert delivery["Condition"]["StringEquals"]["aws:SourceAccount"] == {"Ref": "AWS::AccountId"}


def test_it_is_encrypted_with_the_stacks_key() -> None:
    key = statements(RESOURCES["Key"]["Properties"]["KeyPolicy"])
    (grant,) = [one for one in key if one["Principal"] == {"Service": "s3.amazonaws.com"}]

    assert grant["Action"] == ["kms:GenerateDataKey"]
    assert set(grant["Condition"]) == {"StringEquals", "ArnEquals"}


def test_without_an_inventory_nobody_looks_for_one() -> None:
    schedule = RESOURCES["SweepEvidence"]["Properties"]["Events"]["Inventory"]["Properties"]

    assert schedule["State"] == {"Fn::If": ["HasInventory", "ENABLED", "DISABLED"]}
