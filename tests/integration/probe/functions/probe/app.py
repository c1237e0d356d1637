"""Does what the event asks: the smallest function that shows what the emulator does with a function."""

import json
import os
from typing import Any

import boto3


class ProbeIsBusy(Exception):
    pass


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    if "Records" in event:
        print(json.dumps({"records": len(event["Records"])}))
        poison = [record["messageId"] for record in event["Records"] if "poison" in record["body"]]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in poison]}
    match event:
        case {"raise": message}:
            raise ProbeIsBusy(f"{message} in process {os.getpid()}")
        case {"measured": [service, value]}:
            metric = {
                "Namespace": "Probe",
                "Dimensions": [["service"]],
                "Metrics": [{"Name": "Lag", "Unit": "Seconds"}],
            }
            print(
                json.dumps(
                    {
                        "_aws": {"Timestamp": 0, "CloudWatchMetrics": [metric]},
                        "service": service,
                        "Lag": value,
                    }
                )
            )
        case {"exit": code}:
            os._exit(code)
        case {"environment": True}:
            return dict(os.environ)
        case {"tag": [bucket, key, version_id]}:
            boto3.client("s3").put_object_tagging(
                Bucket=bucket, Key=key, VersionId=version_id, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}
            )
    return {**event, "pid": os.getpid()}
