"""The dependency direction: who may import whom, as a table.

Dependencies point inward: functions -> steps -> domain. Steps see the world through ports; genesys and aws
implement them; bootstrap alone puts it together and reads the environment.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

# room: what it may import of the program, and which libraries besides the standard one.
ROOMS: Mapping[str, tuple[set[str], set[str]]] = {
    "domain": ({"domain"}, set()),
    "errors": (set(), set()),
    "ports": ({"domain"}, set()),
    "contracts": ({"contracts", "domain", "errors", "ports"}, {"pydantic", "rfc8785"}),
    # cryptography: the verifier's, which runs where it is installed and never in a function.
    "evidence": ({"evidence", "domain"}, {"cryptography", "jinja2", "markupsafe", "rfc8785"}),
    "doctor": ({"doctor", "domain", "errors", "ports"}, set()),
    "steps": (
        {"steps", "domain", "contracts", "evidence", "doctor", "ports", "errors"},
        {"pydantic"},
    ),
    "settings": ({"domain", "errors", "genesys.regions"}, set()),
    "genesys": (
        {"genesys", "domain", "contracts", "ports", "errors"},
        {"httpx", "pydantic"},
    ),
    # What the vendor's side keeps in AWS, it asks for itself: its token's store, its budget's.
    "aws": (
        {"aws", "domain", "contracts", "evidence", "ports", "errors", "genesys.token", "genesys.budget"},
        {"botocore"},
    ),
    "observability": ({"ports", "errors"}, {"aws_lambda_powertools", "botocore"}),
    "bootstrap": (
        {"aws", "genesys", "settings", "observability", "ports", "errors", "domain.ids"},
        {"botocore", "httpx"},
    ),
    "functions": ({"bootstrap", "contracts", "observability", "steps"}, set()),
    # The operator's own door to the ledger and the buckets; no step, no vendor.
    "cli": (
        {"aws", "contracts", "doctor", "domain", "errors", "evidence", "ports", "steps.files"},
        {"boto3", "botocore", "cryptography", "importlib", "pydantic", "rich", "typer"},
    ),
}
READS_ENVIRONMENT = {"bootstrap", "cli"}
# Time, chance and the outside world are arguments here.
PURE = {"domain", "steps"}
IMPURE = {
    "asyncio", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "shutil",
    "socket", "sqlite3", "ssl", "subprocess", "tempfile", "time", "urllib", "uuid",
}  # fmt: skip
_ENVIRONMENT = {"environ", "getenv", "environb", "putenv"}


def sources(root: Path) -> dict[str, str]:
    """Read the program, the functions and the command line: their modules' names and texts."""
    library = root / "layers/holdfast"
    found = {
        ".".join(path.relative_to(library).with_suffix("").parts): path.read_text()
        for path in library.glob("holdfast/**/*.py")
    }
    functions = {
        f"functions.{path.parent.name}": path.read_text() for path in root.glob("functions/*/app.py")
    }
    command_line = {f"cli.{path.stem}": path.read_text() for path in root.glob("cli/*.py")}
    return found | functions | command_line


def room_of(module: str) -> str:
    """Tell the room a module stands in; the package's own `__init__` stands in none."""
    return module.removeprefix("holdfast.").split(".")[0]


def faults(modules: Mapping[str, str]) -> Iterator[str]:
    """Name every import that points outward, and every reader of the environment but one."""
    for module, text in modules.items():
        room = room_of(module)
        if module == "holdfast.__init__":
            continue
        if room not in ROOMS:
            yield f"{module}: stands in no room"
            continue
        tree = ast.parse(text)
        for imported in imports(tree):
            if fault := _fault(room, imported):
                yield f"{module}: {fault}"
        if room in PURE and any(_asks_the_clock(node) for node in ast.walk(tree)):
            yield f"{module}: asks the clock"
        if room not in READS_ENVIRONMENT and any(
            isinstance(node, ast.Attribute | ast.Name | ast.alias) and _name(node) in _ENVIRONMENT
            for node in ast.walk(tree)
        ):
            yield f"{module}: reads the environment"


def imports(tree: ast.AST) -> Iterator[str]:
    """Give every module that is imported, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.module == "holdfast" or not node.module:
                yield from (f"{node.module or '.'}.{alias.name}" for alias in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.Call) and _called(node) in {"import_module", "__import__"}:
            yield "importlib"


def _fault(room: str, imported: str) -> str | None:
    ours, libraries = ROOMS[room]
    top, _, rest = imported.partition(".")
    if top == "holdfast":
        allowed = any(rest == one or rest.startswith(f"{one}.") for one in ours)
    elif top == "cli":
        allowed = room == "cli"
    else:
        barred = {"importlib"} | (IMPURE if room in PURE else set())
        allowed = (top in sys.stdlib_module_names - barred) or top in libraries
    return None if allowed else f"imports {imported}"


def _asks_the_clock(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr in {"now", "utcnow", "today"}
        and isinstance(node.value, ast.Name)
        and node.value.id in {"datetime", "date"}
    )


def _name(node: ast.Attribute | ast.Name | ast.alias) -> str:
    return (
        node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else node.name
    )


def _called(node: ast.Call) -> str:
    return _name(node.func) if isinstance(node.func, ast.Attribute | ast.Name) else ""
