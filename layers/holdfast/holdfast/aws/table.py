"""DynamoDB in the words the ledger needs: plain values in and out, conditions that answer instead of raising.

Values are text, whole numbers, truth values, bytes, lists and mappings of these; None is not written.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from holdfast.errors import LedgerContention

type Item = dict[str, Any]

_BATCH_LIMIT = 100


def to_wire(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write values as DynamoDB's attribute values, without the absent ones."""
    return {name: _attribute(value) for name, value in values.items() if value is not None}


def from_wire(attributes: Mapping[str, Any]) -> Item:
    """Read DynamoDB's attribute values."""
    return {name: _value(attribute) for name, attribute in attributes.items()}


# By hand: importing boto3 for it would lengthen every cold start of the hot function.
def _attribute(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": str(value)}
        case int():
            return {"N": str(value)}
        case bytes():
            return {"B": value}
        case Mapping():
            return {"M": to_wire(value)}
        case list() | tuple():
            return {"L": [_attribute(inner) for inner in value]}
    raise TypeError(f"the ledger holds no {type(value).__name__}")


def _value(attribute: Mapping[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            return int(value)
        case "M":
            return from_wire(value)
        case "L":
            return [_value(inner) for inner in value]
    return value


class Table:
    """One table with the keys `pk` and `sk`. Reads are strongly consistent; writes are conditional."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self.name = name

    def get(self, pk: str, sk: str) -> Item | None:
        """Read one item."""
        answer = self._client.get_item(TableName=self.name, Key=self._key(pk, sk), ConsistentRead=True)
        return from_wire(answer["Item"]) if "Item" in answer else None

    def get_many(self, keys: Iterable[tuple[str, str]], attributes: Sequence[str]) -> Iterator[Item]:
        """Read some attributes of many items, in any order; what does not exist is left out."""
        waiting = [self._key(pk, sk) for pk, sk in dict.fromkeys(keys)]
        # Attribute names may be reserved words.
        names = {f"#{place}": name for place, name in enumerate(attributes)}
        while waiting:
            now, waiting = waiting[:_BATCH_LIMIT], waiting[_BATCH_LIMIT:]
            request = {
                "Keys": now,
                "ConsistentRead": True,
                "ProjectionExpression": ", ".join(names),
                "ExpressionAttributeNames": names,
            }
            answer = self._client.batch_get_item(RequestItems={self.name: request})
            yield from map(from_wire, answer["Responses"].get(self.name, ()))
            waiting += answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])

    def query(self, pk: str, sk_prefix: str = "") -> Iterator[Item]:
        """Read all items of a partition whose sort key begins with the prefix, in the order of their keys."""
        condition, values = "pk = :pk", {":pk": pk}
        if sk_prefix:
            condition, values = condition + " AND begins_with(sk, :sk)", values | {":sk": sk_prefix}
        start: dict[str, Any] = {}
        while True:
            answer = self._client.query(
                TableName=self.name,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=to_wire(values),
                ConsistentRead=True,
                **start,
            )
            yield from map(from_wire, answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def look_up(self, index: str, attribute: str, value: str) -> Iterator[Item]:
        """Read the keys of all items that an index files under a value; what is newest may be missing."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self.name,
            IndexName=index,
            KeyConditionExpression="#value = :value",
            ExpressionAttributeNames={"#value": attribute},
            ExpressionAttributeValues=to_wire({":value": value}),
        )
        for page in pages:
            yield from map(from_wire, page["Items"])

    def page(self, pk: str, after: str) -> tuple[list[Item], str | None]:
        """Read a page of a partition's items, those after a sort key ("": from the first).

        With them comes the key that the next page begins after, None on the last.
        """
        start = {"ExclusiveStartKey": self._key(pk, after)} if after else {}
        answer = self._client.query(
            TableName=self.name,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=to_wire({":pk": pk}),
            ConsistentRead=True,
            **start,
        )
        last = answer.get("LastEvaluatedKey")
        return [from_wire(item) for item in answer["Items"]], from_wire(last)["sk"] if last else None

    def scan_page(
        self, sk_prefix: str, most: int, after: tuple[str, str] | None
    ) -> tuple[list[Item], tuple[str, str] | None]:
        """Read the next `most` items of the table, in its own order: those whose sort key begins with the
        prefix, and the key to go on behind, None at the end.
        """
        start = {"ExclusiveStartKey": self._key(*after)} if after else {}
        answer = self._client.scan(
            TableName=self.name,
            FilterExpression="begins_with(sk, :sk)",
            ExpressionAttributeValues=to_wire({":sk": sk_prefix}),
            ConsistentRead=True,
            Limit=most,
            **start,
        )
        end = from_wire(answer["LastEvaluatedKey"]) if "LastEvaluatedKey" in answer else None
        return [from_wire(item) for item in answer["Items"]], (end["pk"], end["sk"]) if end else None

    def put(self, item: Item, condition: str, values: Mapping[str, Any] | None = None) -> bool:
        """Write an item if the condition holds; answers whether it did. `#state` stands for the attribute
        `state`.
        """
        return self._conditionally(
            lambda: self._client.put_item(
                TableName=self.name,
                Item=to_wire(item),
                ConditionExpression=condition,
                **_expression(values or {}, condition),
            )
        )

    def put_new(self, item: Item) -> bool:
        """Write an item unless one with its key exists; answers whether it was written."""
        return self.put(item, "attribute_not_exists(pk)")

    def update(self, pk: str, sk: str, update: str, condition: str, values: Mapping[str, Any]) -> bool:
        """Change an item if the condition holds; answers whether it did."""
        return self.change(pk, sk, update, condition, values) is not None

    def change(self, pk: str, sk: str, update: str, condition: str, values: Mapping[str, Any]) -> Item | None:
        """Change an item if the condition holds; answers the item as it is then, or None."""
        answers: list[dict[str, Any]] = []
        self._conditionally(
            lambda: answers.append(
                self._client.update_item(
                    TableName=self.name,
                    Key=self._key(pk, sk),
                    UpdateExpression=update,
                    ConditionExpression=condition,
                    ReturnValues="ALL_NEW",
                    **_expression(values, f"{update} {condition}"),
                )
            )
        )
        return from_wire(answers[0]["Attributes"]) if answers else None

    def delete(self, pk: str, sk: str, condition: str, values: Mapping[str, Any]) -> bool:
        """Delete an item if the condition holds; answers whether it did. Leases only: evidence is never
        deleted.
        """
        return self._conditionally(
            lambda: self._client.delete_item(
                TableName=self.name,
                Key=self._key(pk, sk),
                ConditionExpression=condition,
                **_expression(values, condition),
            )
        )

    def transact(self, *writes: dict[str, Any]) -> bool:
        """Do all writes or none; answers False if any condition failed.

        Raises:
            LedgerContention: a neighbour's transaction was in the way; the workflow repeats.
        """
        try:
            self._client.transact_write_items(TransactItems=list(writes))
        except ClientError as error:
            if error.response["Error"]["Code"] != "TransactionCanceledException":
                raise
            reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", ())}
            if "ConditionalCheckFailed" in reasons:
                return False
            raise LedgerContention(
                "a transaction was cancelled: " + ", ".join(sorted(map(str, reasons)))
            ) from None
        return True

    def putting_new(self, item: Item) -> dict[str, Any]:
        """Compose the part of a transaction that writes a new item."""
        return self.putting(item, "attribute_not_exists(pk)")

    def putting(
        self, item: Item, condition: str = "", values: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Compose the part of a transaction that writes an item; without a condition, another part has it."""
        conditional = {"ConditionExpression": condition, **_expression(values or {}, condition)}
        return {"Put": {"TableName": self.name, "Item": to_wire(item), **(conditional if condition else {})}}

    def updating(
        self, pk: str, sk: str, update: str, condition: str, values: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Compose the part of a transaction that changes an item."""
        return {
            "Update": {
                "TableName": self.name,
                "Key": self._key(pk, sk),
                "UpdateExpression": update,
                "ConditionExpression": condition,
                **_expression(values, f"{update} {condition}"),
            }
        }

    def deleting(self, pk: str, sk: str) -> dict[str, Any]:
        """Compose the part of a transaction that deletes a line of a list; evidence is never deleted."""
        return {"Delete": {"TableName": self.name, "Key": self._key(pk, sk)}}

    def checking(self, pk: str, sk: str, condition: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Compose the part of a transaction that changes nothing, and has a condition."""
        return {
            "ConditionCheck": {
                "TableName": self.name,
                "Key": self._key(pk, sk),
                "ConditionExpression": condition,
                **_expression(values, condition),
            }
        }

    def _conditionally(self, write: Callable[[], object]) -> bool:
        try:
            write()
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True

    @staticmethod
    def _key(pk: str, sk: str) -> dict[str, Any]:
        return {"pk": {"S": pk}, "sk": {"S": sk}}


def one_of(attribute: str, texts: Iterable[str]) -> tuple[str, dict[str, str]]:
    """Compose the condition that an attribute is one of some texts, and its values."""
    values = {f":is{place}": text for place, text in enumerate(sorted(texts))}
    return f"{attribute} IN ({', '.join(values)})", values


def _expression(values: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Compose the names and values of an expression; `#name` always stands for the attribute `name`."""
    words = text.replace("(", " ").replace(")", " ").replace(",", " ").replace(".", " ").split()
    names = {word: word[1:] for word in words if word.startswith("#")}
    given = to_wire(values)
    return ({"ExpressionAttributeNames": names} if names else {}) | (
        {"ExpressionAttributeValues": given} if given else {}
    )
