"""The ledger's table where AWS is moto's."""

from typing import Any

from holdfast.aws.table import Table


def make_ledger(client: Any) -> Table:
    """Create an empty ledger: its two keys, and no index."""
    keys = {"pk": "HASH", "sk": "RANGE"}
    client.create_table(
        TableName="ledger",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
    )
    return Table(client, "ledger")
