"""Derives from the source which AWS actions each function can come to need; the record says on what.

The way leads from the handler (which port is made by which factory) through the steps (which methods of that
port they can reach) into the adapters (which calls of which client those make). Names carry it: a port is
called by the same name everywhere, which is how this code is written anyway.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

type Function = ast.FunctionDef
type Known = Mapping[str, list[Function]]

# What IAM checks is not always called like the operation, and depends on whether a version is named.
# Source: Service Authorization Reference, Amazon S3 and Amazon DynamoDB.
ON_VERSIONS = {
    "put_object_legal_hold": ("s3:PutObjectLegalHold",),
    "get_object_legal_hold": ("s3:GetObjectLegalHold",),
    "get_object": ("s3:GetObjectVersion",),
    "get_object_tagging": ("s3:GetObjectVersionTagging",),
    "put_object_tagging": ("s3:PutObjectVersionTagging",),
}
ACTIONS = {
    "get_object": ("s3:GetObject",),
    "head_object": ("s3:GetObject",),
    "put_object": ("s3:PutObject",),
    "get_object_lock_configuration": ("s3:GetBucketObjectLockConfiguration",),
    "get_bucket_versioning": ("s3:GetBucketVersioning",),
    "get_bucket_notification_configuration": ("s3:GetBucketNotification",),
    "list_object_versions": ("s3:ListBucketVersions",),
    "get_bucket_encryption": ("s3:GetEncryptionConfiguration",),
    "get_bucket_policy": ("s3:GetBucketPolicy",),
    "describe_key": ("kms:DescribeKey",),
    "get_key_policy": ("kms:GetKeyPolicy",),
    "get_queue_attributes": ("sqs:GetQueueAttributes",),
    "get_event_source_mapping": ("lambda:GetEventSourceMapping",),
    "get_function_concurrency": ("lambda:GetFunctionConcurrency",),
    "get_function_configuration": ("lambda:GetFunctionConfiguration",),
    "get_role": ("iam:GetRole",),
    "get_role_policy": ("iam:GetRolePolicy",),
    "list_role_policies": ("iam:ListRolePolicies",),
    "list_attached_role_policies": ("iam:ListAttachedRolePolicies",),
    "list_objects_v2": ("s3:ListBucket",),
    "get_item": ("dynamodb:GetItem",),
    "batch_get_item": ("dynamodb:BatchGetItem",),
    "query": ("dynamodb:Query",),
    "scan": ("dynamodb:Scan",),
    "start_execution": ("states:StartExecution",),
    "put_item": ("dynamodb:PutItem",),
    "update_item": ("dynamodb:UpdateItem",),
    "delete_item": ("dynamodb:DeleteItem",),
    "transact_write_items": (),  # checked part by part
    "send_message": ("sqs:SendMessage",),
    "put_events": ("events:PutEvents",),
    "describe_execution": ("states:DescribeExecution",),
    "get_secret_value": ("secretsmanager:GetSecretValue",),
    "encrypt": ("kms:Encrypt",),
    "decrypt": ("kms:Decrypt",),
    "sign": ("kms:Sign",),
    "get_public_key": ("kms:GetPublicKey",),
}
PARTS_OF_TRANSACTIONS = {
    "putting": "dynamodb:PutItem",
    "putting_new": "dynamodb:PutItem",
    "checking": "dynamodb:ConditionCheckItem",
    "updating": "dynamodb:UpdateItem",
    "deleting": "dynamodb:DeleteItem",
}
OF_VERSIONS = {"EvidenceS3", "EvidenceSightS3", "EvidenceReleaseS3", "EvidenceMarkerS3"}
# Without `s3:ListBucket` a missing file is "forbidden".
TELL_ABSENCE = {
    "WorkS3": "get_object",
    "ManifestS3": "get_object",
    "RecordsS3": "get_object",
    "EvidenceSightS3": "get_object_legal_hold|get_object_tagging",
}
CLIENTS = {"_client", "_iam", "_kms", "_lambda", "_s3", "_sqs"}


@dataclass(frozen=True)
class Program:
    """The source; `read` gives the text of a path."""

    root: Path
    read: Callable[[Path], str] = Path.read_text

    def needs(self, program: str) -> set[str]:
        """Name what a function needs, without what its event source needs."""
        handler = self._tree(self.root / "functions" / program / "app.py")
        factories = dict(_ports(handler))
        used = {
            (factories[port], method) for port, method in self._methods(program, handler) if port in factories
        }
        return {need for factory, method in used for need in self._made_by(factory, method)}

    def calls_genesys(self, program: str) -> bool:
        """Tell whether a function calls Genesys, and so needs the client and the token."""
        handler = self._tree(self.root / "functions" / program / "app.py")
        return any("_transport" in self._factories_from(factory) for _, factory in _ports(handler))

    def genesys_actions(self) -> set[str]:
        """Name the actions of everything that calling Genesys keeps in AWS."""
        transport = ast.walk(self._bootstrap["_transport"])
        made = {str(_last_name(node.func)) for node in transport if isinstance(node, ast.Call)}
        return {
            action
            for adapter in made & self._adapters.keys() - {"Table"}
            for method in _functions(self._adapters[adapter])
            for action in self._done_by(adapter, method.name)
        }

    def _tree(self, path: Path) -> ast.Module:
        return ast.parse(self.read(path))

    @cached_property
    def _library(self) -> Path:
        return self.root / "layers/holdfast/holdfast"

    @cached_property
    def _bootstrap(self) -> Mapping[str, Function]:
        return {one.name: one for one in _functions(self._tree(self._library / "bootstrap.py"))}

    @cached_property
    def _adapters(self) -> Mapping[str, ast.ClassDef]:
        trees = (self._tree(path) for path in sorted((self._library / "aws").glob("*.py")))
        return {one.name: one for tree in trees for one in ast.walk(tree) if isinstance(one, ast.ClassDef)}

    def _methods(self, program: str, handler: ast.Module) -> Iterator[tuple[str, str]]:
        """Give the methods of ports that a step can reach, by the port's name."""
        step = self._library / "steps" / f"{program}.py"
        known = _known(self._tree(path) for path in self._steps_from(step, set()))
        for function in _reached(handler, known):
            for node in ast.walk(function):
                if isinstance(node, ast.Attribute) and (receiver := _last_name(node.value)):
                    yield receiver.lstrip("_"), node.attr

    def _steps_from(self, path: Path, seen: set[Path]) -> set[Path]:
        if path in seen:
            return seen
        seen.add(path)
        for node in ast.walk(self._tree(path)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("holdfast.steps."):
                self._steps_from(path.with_name(f"{str(node.module).rpartition('.')[2]}.py"), seen)
        return seen

    def _factories_from(self, factory: str) -> set[str]:
        """Name a factory and all that it asks."""
        seen, waiting = set[str](), [factory]
        while waiting:
            name = waiting.pop()
            if name in self._bootstrap and name not in seen:
                seen.add(name)
                waiting += [n.id for n in ast.walk(self._bootstrap[name]) if isinstance(n, ast.Name)]
        return seen

    def _made_by(self, factory: str, method: str) -> Iterator[str]:
        """Follow a method of what a factory makes."""
        for node in ast.walk(self._bootstrap[factory]):
            made = _last_name(node.func) if isinstance(node, ast.Call) else None
            if made in self._adapters and made != "Table":
                yield from self._done_by(str(made), method)

    def _done_by(self, adapter: str, method: str) -> Iterator[str]:
        known = _known([self._adapters[adapter]])
        for start in known.get(f".{method}", []):
            for function in [start, *_reached(start, known, on_self_only=True)]:
                yield from self._asked(adapter, function)

    def _asked(self, adapter: str, function: Function) -> Iterator[str]:
        for node in ast.walk(function):
            if not isinstance(node, ast.Attribute):
                continue
            receiver = _last_name(node.value)
            if receiver in CLIENTS:
                names_versions = adapter in OF_VERSIONS and node.attr in ON_VERSIONS
                yield from (ON_VERSIONS if names_versions else ACTIONS)[node.attr]
                if re.fullmatch(TELL_ABSENCE.get(adapter, ""), node.attr):
                    yield "s3:ListBucket"
            elif receiver == "_table" and node.attr in PARTS_OF_TRANSACTIONS:
                yield PARTS_OF_TRANSACTIONS[node.attr]
            elif receiver == "_table":
                yield from self._done_by("Table", node.attr)


def _ports(handler: ast.Module) -> Iterator[tuple[str, str]]:
    """Give (name of the port, name of the factory) for every port that the handler passes on."""
    for node in ast.walk(handler):
        if isinstance(node, ast.keyword) and isinstance(node.value, ast.Call):
            factory = node.value.func
            if isinstance(factory, ast.Attribute) and _last_name(factory.value) == "bootstrap":
                yield str(node.arg), factory.attr


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _last_name(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None


def _known(trees: Iterable[ast.AST]) -> Known:
    """Index functions by their names, and methods as attributes: `.name`."""
    known: dict[str, list[Function]] = {}
    for tree in trees:
        for owner in ast.walk(tree):
            for one in getattr(owner, "body", ()) if isinstance(owner, ast.Module | ast.ClassDef) else ():
                if isinstance(one, ast.FunctionDef):
                    mark = "." if isinstance(owner, ast.ClassDef) else ""
                    known.setdefault(mark + one.name, []).append(one)
    return known


def _reached(start: ast.AST, known: Known, *, on_self_only: bool = False) -> list[Function]:
    """Give every known function that is called, or handed on to be called, on the way from `start`."""
    reached: list[Function] = []
    waiting = [start]
    while waiting:
        for node in ast.walk(waiting.pop()):
            for called in (node.func, *node.args) if isinstance(node, ast.Call) else ():
                owner = _last_name(called.value) if isinstance(called, ast.Attribute) else None
                if on_self_only and owner != "self":
                    continue
                name = f"{'.' if isinstance(called, ast.Attribute) else ''}{_last_name(called)}"
                found = [one for one in known.get(name, []) if one not in reached]
                reached += found
                waiting += found
    return reached
