"""Logs: no token, secret, number, name or payload reaches a log line or an error's message.

1. In functions and layers observability.py alone has a logger; nobody else prints or warns.
2. Telemetry is told a constant event, and keys of `LOGGED_KEYS`, each by its name.
3. What is logged, printed, or said in an error, is neither called like something secret nor made of it.
   In the embedded world, whose secrets are made up, this holds for what is printed.

A thing is made of another if it is formatted, joined, encoded, converted or taken out of it; what a call of
our own answers is judged by the call's name.
"""

import ast
import builtins
import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from local.gates import conclude
from local.gates.sources import Sources, assigned, name_of, read, texts

PROGRAM = "layers/holdfast/holdfast/"
OBSERVABILITY = f"{PROGRAM}observability.py"
# The verifier is handed out and run by a person, on a terminal.
PRINTS = {f"{PROGRAM}evidence/verifier.py"}
SECRET = {
    "ani", "auth", "authorization", "body", "cookie", "cookies", "credential", "credentials", "dnis", "email",
    "headers", "msisdn", "passphrase", "passwd", "password", "payload", "phone", "pin", "raw", "secret",
    "secrets", "signature", "token", "tokens",
}  # fmt: skip
SECRET_PAIRS = {
    ("access", "key"), ("answer", "content"), ("answer", "text"), ("api", "key"), ("caller", "number"),
    ("display", "name"), ("participant", "address"), ("participant", "name"), ("participants",),
    ("private", "key"), ("remote", "name"), ("response", "content"), ("response", "json"),
    ("response", "text"),
}  # fmt: skip
# Raw, if it is said as a whole; its ids may be said.
WHOLE = {"event", "detail", "document", "message", "record", "request", "response", "answer", "content"}
LOGGING = {"logging", "loguru", "structlog", "warnings", "traceback", "aws_lambda_powertools"}
SAYS = {
    "add_dimension", "add_metadata", "append_keys", "critical", "debug", "error", "exception", "fatal",
    "info", "log", "print_exc", "warning",
}  # fmt: skip
TELLS = {"note", "warn"}
CONVERTS = {
    "b64decode", "b64encode", "bytes", "capitalize", "decode", "dict", "dumps", "encode", "format", "hex",
    "join", "list", "lower", "model_dump", "model_dump_json", "next", "partition", "pformat", "quote",
    "removeprefix", "removesuffix", "replace", "repr", "set", "sorted", "split", "str", "strip", "tuple",
    "upper", "values",
}  # fmt: skip
# What is said all the same, in exactly these words.
EXEMPT = {
    (OBSERVABILITY, "{key: event[key] for key in ('matter_id', 'request_id', 'batch_id') if key in event}"),
}
_EVENT = re.compile(r"[a-z]+(_[a-z]+)*")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")


def faults(sources: Sources, *, keys: AbstractSet[str]) -> Iterator[str]:
    """Name every line that says what it should not, or where it should not; `keys` are the known ones."""
    trees = {path: ast.parse(text) for path, text in sources.items()}
    errors = _errors(trees.values())
    for path, tree in trees.items():
        for scope, nodes in _scopes(tree):
            line = _Line(path, _tainted(scope), keys, errors)
            for node in nodes:
                yield from (f"{path}:{getattr(node, 'lineno', 1)}: {what}" for what in line.faults(node))


def logged_keys(observability: str) -> frozenset[str]:
    """Read the keys that may be logged from where they stand."""
    (listed,) = (value for name, value, _ in assigned(ast.parse(observability)) if name == "LOGGED_KEYS")
    return frozenset(text for _, text in texts(listed))


@dataclass(frozen=True, slots=True)
class _Line:
    """Judges what stands in a function: what is `tainted` there, which keys and which errors there are."""

    path: str
    tainted: AbstractSet[str]
    keys: AbstractSet[str]
    errors: AbstractSet[str]

    def faults(self, node: ast.AST) -> Iterator[str]:
        if self.path.startswith(("functions/", "layers/")) and self.path != OBSERVABILITY:
            yield from _loggers(self.path, node)
        match node:
            case ast.keyword(arg="log_event"):
                yield "log_event: an event is never logged as it came"
            case ast.Assign(value=ast.Attribute(attr="note" | "warn")):
                yield "telemetry is told by its name, so that it is seen what"
            case ast.Assert(msg=ast.expr() as said) | ast.Raise(exc=ast.expr() as said):
                yield from self._said("an error", said)
            case ast.Call():
                yield from self._called(node)

    def _called(self, node: ast.Call) -> Iterator[str]:
        name, receiver = name_of(node.func), name_of(getattr(node.func, "value", None)).lstrip("_")
        if name in TELLS and receiver != "warnings" and not self.path.startswith("local/"):
            yield from _told(node, self.keys)
            yield from self._said("telemetry", node)
        elif name in SAYS and receiver in {"log", "logger", "logging", "metrics", "traceback"}:
            yield from self._said("a log line", node)
            if any(isinstance(one, ast.JoinedStr | ast.BinOp) for one in node.args):
                yield "a log line is a constant event"
        elif name == "print" or (name == "write" and receiver in {"os", "stdout", "stderr"}):
            yield from self._said("what is printed", node)
        elif name in self.errors or name == "add_note":
            yield from self._said("an error", node)

    def _said(self, where: str, call: ast.expr) -> Iterator[str]:
        if self.path.startswith("local/") and where not in {"a log line", "what is printed"}:
            return  # the simulator's errors name what they were sent, as the vendor's do
        for one in _arguments(call):
            why = _secret_in(one, self.tainted)
            if why and (self.path, ast.unparse(one)) not in EXEMPT:
                yield f"{where} says {why}"


def _scopes(tree: ast.Module) -> Iterator[tuple[ast.AST, list[ast.AST]]]:
    """Give the module and each of its functions, with what stands in it; a method is a function."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    inner = {id(node) for function in functions for node in ast.walk(function) if node is not function}
    yield tree, [node for node in ast.walk(tree) if id(node) not in inner]
    yield from ((one, list(ast.walk(one))) for one in functions if id(one) not in inner)


def _errors(trees: Iterable[ast.Module]) -> set[str]:
    """Name all classes of errors: Python's, and whatever is made of one."""
    known = {
        name for name, one in vars(builtins).items() if isinstance(one, type) and issubclass(one, Exception)
    }
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    while more := {
        one.name for one in classes if one.name not in known and {name_of(base) for base in one.bases} & known
    }:
        known |= more
    return known


def _loggers(path: str, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        module = getattr(node, "module", None) or ""
        for one in node.names:
            if {module.split(".")[0], one.name.split(".")[0]} & LOGGING or one.name in {"logger", "metrics"}:
                yield f"imports {one.name}: observability.py alone logs; tell telemetry"
    elif isinstance(node, ast.Attribute) and node.attr == "logger":
        yield "uses a logger: observability.py alone logs; tell telemetry"
    elif isinstance(node, ast.Call) and path not in PRINTS:
        called = ast.unparse(node.func)
        if called in {"print", "pprint"} or re.match(r"sys\.(__)?std(out|err)", called):
            yield f"{called}(): a function prints nothing; tell telemetry"


def _told(node: ast.Call, keys: AbstractSet[str]) -> Iterator[str]:
    events = [one for argument in node.args for one in _either(argument)]
    if len(node.args) != 1 or not all(_EVENT.fullmatch(event) for event in events):
        yield "telemetry is told one constant event, in snake_case"
    for keyword in node.keywords:
        if keyword.arg is not None and keyword.arg not in keys:
            yield f"{keyword.arg} is no key of LOGGED_KEYS"


def _either(node: ast.expr) -> list[str]:
    if isinstance(node, ast.IfExp):
        return [*_either(node.body), *_either(node.orelse)]
    return [node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""]


def _arguments(node: ast.expr) -> list[ast.expr]:
    """Give what an error or a log line is made of; what a function of ours makes it of, is seen there."""
    if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id[0] == "_"):
        is_ours = isinstance(node.func, ast.Attribute) and ast.unparse(node.func).startswith("self._error")
        return [] if is_ours else [*node.args, *(one.value for one in node.keywords)]
    return [node]


def _secret_in(node: ast.AST, tainted: AbstractSet[str]) -> str:
    """Name what is secret in an expression; nothing if nothing is."""
    match node:
        case ast.Name(id=name):
            return name if _is_secret(name) or name in tainted or name in WHOLE else ""
        case ast.Attribute(value=whole) | ast.Subscript(value=whole, slice=ast.Constant(value=str())):
            return _secret_in_part(node, name_of(node), whole, tainted)
        case ast.Call():
            return _secret_in_call(node, tainted)
        case ast.Lambda() | ast.Compare():
            return ""
        case ast.IfExp(body=body, orelse=orelse):
            return _secret_in(body, tainted) or _secret_in(orelse, tainted)
        case _:
            return next((why for one in ast.iter_child_nodes(node) if (why := _secret_in(one, tainted))), "")


def _secret_in_part(part: ast.expr, name: str, whole: ast.expr, tainted: AbstractSet[str]) -> str:
    """Judge a part by its name and its whole: of a token every part is one, of an event none but by name."""
    if _is_plain(name):
        return ""
    if name in WHOLE or _is_secret(f"{name_of(whole)}.{name}"):
        return ast.unparse(part)
    if name_of(whole) in WHOLE and name_of(whole) not in tainted:
        return ""
    return _secret_in(whole, tainted)


def _secret_in_call(call: ast.Call, tainted: AbstractSet[str]) -> str:
    """Judge what a call answers: by its name, and by its arguments if it only gives them another form."""
    name = name_of(call.func)
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    if _is_secret(f"{name_of(owner)}.{name}" if name not in CONVERTS else name):
        return f"{ast.unparse(call.func)}()"
    if name == "get" and owner and call.args and isinstance(call.args[0], ast.Constant):
        return _secret_in_part(call, str(call.args[0].value), owner, tainted)
    if name not in CONVERTS:
        return ""
    parts = [*call.args, *(one.value for one in call.keywords), *([owner] if owner else [])]
    return next((why for one in parts if (why := _secret_in(one, tainted))), "")


def _tainted(scope: ast.AST) -> set[str]:
    """Name the variables of a function that hold something secret, or something made of it."""
    tainted: set[str] = set()
    given = list(assigned(scope))
    while more := {
        name
        for name, value, _ in given
        if name not in tainted and not _is_plain(name) and _secret_in(value, tainted)
    }:
        tainted |= more
    return tainted


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _is_secret(name: str) -> bool:
    words = _words(name)
    if not words or _is_plain(name):
        return False
    runs = {tuple(words[at : at + len(pair)]) for pair in SECRET_PAIRS for at in range(len(words))}
    return bool(set(words) & SECRET) or bool(runs & SECRET_PAIRS)


def _is_plain(name: str) -> bool:
    """Tell what is no secret whatever its first words say: an id, a time, a count, a class's name."""
    return name in {"__name__", "generation"} or (_words(name) or [""])[-1] in {
        "256", "arn", "at", "bytes", "count", "exists", "id", "ids", "kind", "length", "s", "size", "status",
        "type", "version",
    }  # fmt: skip


if __name__ == "__main__":
    found = read("functions", "layers", "cli", "local")
    conclude(faults(found, keys=logged_keys(found[OBSERVABILITY])))
