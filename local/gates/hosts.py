"""Hosts: no request, event or scenario can name the machine that is called.

1. The vendor's hosts stand in genesys/regions.py, each in a domain of the vendor's, and are called by https.
2. Elsewhere an address is a literal that is listed here; in local/ it may be loopback. None is put together.
3. Clients of HTTP are made in bootstrap alone, of the vendor's hosts. Nobody else has a library for it.
4. No client follows redirects, and none leaves certificates unverified.
5. What is asked of the vendor is a path of its API, which begins where it is asked.
6. Clients of AWS find their hosts themselves: an endpoint is the embedded world's, and the queue a setting's.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from local.gates import conclude, files
from local.gates.sources import Sources, assigned, name_of, read, shape, texts
from local.template import parse_template

PROGRAM = "layers/holdfast/holdfast/"
REGIONS = f"{PROGRAM}genesys/regions.py"
BOOTSTRAP = f"{PROGRAM}bootstrap.py"
TRANSPORT = f"{PROGRAM}genesys/transport.py"
VENDOR = re.compile(
    r"api(\.[a-z0-9]+)?\.(mypurecloud\.(com|com\.au|de|ie|jp)|pure\.cloud|us-gov-pure\.cloud|eusc-pure\.cloud)"
)
LOOPBACK_OR_NOTHING = r"^(http://127\.0\.0\.1:\d{1,5})?$"
LOOPBACK = re.compile(r"http://127\.0\.0\.1:(\{\}|[0-9]+)(/.*)?")
# Addresses that are shown, or recognised, and never called.
ADDRESSES = {
    (f"{PROGRAM}doctor/rules.py", "https://docs.aws.amazon.com"),
    (f"{PROGRAM}doctor/rules.py", "https://developer.genesys.cloud/devapps/api-explorer"),
    (f"{PROGRAM}doctor/rules.py", "https://github.com/MyPureCloud/platform-client-sdk-python"),
    (f"{PROGRAM}doctor/rules.py", "https://help.mypurecloud.com/?p=210627"),
    (f"{PROGRAM}doctor/wording.py", "http:"),
    (f"{PROGRAM}doctor/grants.py", "s3.amazonaws.com"),
    (REGIONS, "https://{}"),
    (REGIONS, r"http://127\.0\.0\.1:[0-9]{1,5}"),
    (REGIONS, "GenesysBaseUrl: expected nothing or http://127.0.0.1:<port>"),
    (f"{PROGRAM}evidence/verifier.py", r"(s3://\S+) (\d{1,15}) (\S.*)"),
}
# Who may name a host to a client, and in which words.
WORDS = {
    "base_url": {
        (BOOTSTRAP, "hosts.login"),
        (BOOTSTRAP, "hosts.api"),
        ("local/interference.py", "world.genesys.url"),
    },
    "endpoint_url": {
        ("cli/connection.py", "self._endpoint_url"),
        ("cli/connection.py", "environment['AWS_ENDPOINT_URL']"),
        ("local/deploy.py", "endpoint_url"),
        ("local/genesys/delivery.py", "self._endpoint_url"),
        ("local/world.py", "self.emulator.url"),
    },
    "mounts": set(),
    "proxies": set(),
    "proxy": set(),
    "region_name": {
        ("cli/connection.py", "region"),
        ("cli/connection.py", "environment['AWS_DEFAULT_REGION']"),
        ("local/emulator/process.py", "REGION"),
        ("local/genesys/delivery.py", "region"),
    },
    "QueueUrl": {
        (f"{PROGRAM}aws/queues.py", "self._queue_url"),
        (f"{PROGRAM}aws/wiring.py", "self._queue_url"),
        ("cli/lost_events.py", "self._url"),
    },
}
# Who makes clients; and in the embedded world, which is all on loopback.
MAKERS = {BOOTSTRAP, "local/interference.py", "local/genesys/inprocess.py"}
OPENED = {"f'{self.url}/_holdfast/{what}'", "f'{self.url}/_ministack/ready'"}
HOSTS_OF = {
    "hosts_of(settings().text('GENESYS_REGION'), settings().values.get('GENESYS_BASE_URL', ''))",
    "hosts_of(self.values.get('GENESYS_REGION', ''), self.values.get('GENESYS_BASE_URL', ''))",
}
NETWORK = {
    "aiohttp", "botocore.awsrequest", "botocore.httpsession", "ftplib", "http.client", "requests", "smtplib",
    "socket", "socketserver", "ssl", "telnetlib", "urllib.request", "urllib3", "websockets", "xmlrpc",
}  # fmt: skip
PUTS_TOGETHER = {"urlunsplit", "urlunparse", "urljoin"}
CALLS = {"delete", "get", "head", "options", "patch", "post", "put", "request", "send", "stream"}
MAKES = {"AsyncClient", "AsyncHTTPTransport", "Client", "HTTPTransport", "Request", "URL", *CALLS}
_SPEAKERS = {"api", "client", "http", "login", "transport"}
_SCHEME = re.compile(r"\b(https?|ftp|wss?)(:/|:$)|(\{\}|%s)://|^:?//", re.IGNORECASE)
_HOST = re.compile(
    r"(?!-)[a-z0-9-]+(\.[a-z0-9-]+)*\.(com|net|org|io|cloud|dev|ie|de|jp|au|eu|uk|us)(:[0-9]+)?"
)
_SCRIPT = re.compile(r"(^|/)Makefile$|\.(sh|mk|txt|toml)$|^\.(ci|github)/")
_PATH = re.compile(r"/(api/v2|oauth)/")


def faults(sources: Sources) -> Iterator[str]:
    """Name every place where a host is named that should not be: `sources` are modules by their paths."""
    for path, text in sources.items():
        tree = ast.parse(text)
        for node, what in _module(path, tree):
            yield f"{path}:{getattr(node, 'lineno', 1)}: {what}"


def _module(path: str, tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    if not path.endswith("gates/hosts.py"):
        yield from _addresses(path, tree)
    annotations = _annotations(tree)
    for node in ast.walk(tree):
        yield from _unsafe(node)
        yield from _worded(path, node)
        if not path.startswith("local/"):
            yield from _libraries(node)
        if path not in MAKERS and id(node) not in annotations and _makes_a_client(node):
            yield node, f"{ast.unparse(node)}: clients are made in bootstrap alone"
    if path == REGIONS:
        yield from _vendor(tree)
    if path.startswith(f"{PROGRAM}genesys/"):
        yield from _paths(path, tree)


def _addresses(path: str, tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    is_local = path.startswith("local/")
    for node, found in texts(tree):
        if (path, found) in ADDRESSES or (is_local and LOOPBACK.fullmatch(found)):
            continue
        if _SCHEME.search(found):
            yield node, f"an address, {found!r}: hosts stand in genesys/regions.py alone"
        elif path != REGIONS and not is_local and _HOST.fullmatch(found):
            yield node, f"a host, {found!r}: hosts stand in genesys/regions.py alone"


def _vendor(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    for node, found in texts(tree):
        if _HOST.fullmatch(found) and not VENDOR.fullmatch(found):
            yield node, f"{found!r} is in no domain of the vendor's"


def _unsafe(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Find redirects that are followed and certificates that nobody verifies, however they are switched."""
    switches: list[tuple[str, ast.expr]] = []
    if isinstance(node, ast.keyword) and node.arg:
        switches = [(node.arg, node.value)]
    elif isinstance(node, ast.Dict):
        keys = (key.value if isinstance(key, ast.Constant) else "" for key in node.keys)
        switches = [
            (str(key), value)
            for key, value in zip(keys, node.values, strict=True)
            if isinstance(value, ast.Constant)
        ]
    elif isinstance(node, ast.Assign):
        switches = [(one.attr, node.value) for one in node.targets if isinstance(one, ast.Attribute)]
    for name, value in switches:
        said = value.value if isinstance(value, ast.Constant) else value
        if name in {"follow_redirects", "allow_redirects"} and said is not False:
            yield value, "follows redirects"
        if name in {"verify", "use_ssl", "check_hostname"} and said is not True:
            yield value, f"{name} is {ast.unparse(value)}: certificates are always verified"


def _worded(path: str, node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    if isinstance(node, ast.keyword) and node.arg in WORDS:
        said = ast.unparse(node.value)
        if (path, said) not in WORDS[node.arg]:
            yield node.value, f"{node.arg}={said}: a host is the region's, an endpoint or a queue a setting"
    if not isinstance(node, ast.Call):
        return
    if ast.unparse(node.func) == "webbrowser.open" and not ast.unparse(node.args[0]).endswith(".as_uri()"):
        yield node, f"{ast.unparse(node)}: what is shown is a file"
    opened = [ast.unparse(one) for one in node.args[:1]] if name_of(node.func) == "urlopen" else []
    yield from ((node, f"opens {one}: that is not the embedded world") for one in opened if one not in OPENED)
    if name_of(node.func) == "hosts_of" and ast.unparse(node) not in HOSTS_OF:
        yield node, f"{ast.unparse(node)}: the vendor's region is a setting of the stack"


def _libraries(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    imported: list[str] = []
    if isinstance(node, ast.Import):
        imported = [one.name for one in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        imported = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
        if node.module == "httpx":
            yield node, "imports from httpx: write httpx.NAME, so that it is seen who makes clients"
    for one in imported:
        if any(one == barred or one.startswith(f"{barred}.") for barred in NETWORK):
            yield (
                node,
                f"imports {one}: the vendor is asked through genesys/transport.py, AWS through botocore",
            )
        if one.rpartition(".")[2] in PUTS_TOGETHER:
            yield node, f"imports {one}: addresses are not put together"


def _makes_a_client(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in {"httpx", "requests"}
        and node.attr in (MAKES if node.value.id == "httpx" else MAKES - {"get"})  # `requests` may be ours
    )


def _annotations(tree: ast.Module) -> set[int]:
    found: list[ast.expr | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            found.append(node.returns)
        elif isinstance(node, ast.arg | ast.AnnAssign):
            found.append(node.annotation)
    return {id(inner) for one in found if one for inner in ast.walk(one)}


def _paths(path: str, tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Find requests to the vendor whose path does not begin as a text of this very module."""
    values: dict[str, list[ast.expr]] = {}
    for name, value, _ in assigned(tree):
        values.setdefault(name, []).append(value)

    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        speaker = name_of(node.func.value).strip("_")
        if speaker not in _SPEAKERS or node.func.attr not in CALLS:
            continue
        asked = node.args[node.func.attr in {"request", "stream"}]
        if not _begins(asked, values) and (path, ast.unparse(asked)) != (TRANSPORT, "path"):
            yield (
                node,
                f"{ast.unparse(asked)}: a path of the vendor's API begins with /api/v2/, where it is asked",
            )


def _begins(node: ast.expr, values: Mapping[str, Sequence[ast.expr]]) -> bool:
    match node:
        case ast.Constant() | ast.JoinedStr() if _PATH.match(shape(node) or ""):
            return True
        case ast.JoinedStr(values=[ast.FormattedValue(value=first), ast.Constant(value=str(rest)), *_]):
            return rest.startswith("/") and _begins(first, values)
        case ast.Name(id=name) if values.get(name):
            return all(_begins(value, values) for value in values[name])
        case ast.Attribute(attr="probes"):
            return True  # a table of the dialect's own
        case _:
            return False


def in_template(text: str) -> Iterator[str]:
    """Name every parameter of the template by which a deployment could name a host."""
    for name, parameter in parse_template(text).get("Parameters", {}).items():
        given = parameter.get("Default"), parameter.get("AllowedPattern")
        if re.search(r"(Url|Uri|Host|Endpoint|Domain)$", name) and given != ("", LOOPBACK_OR_NOTHING):
            yield f"template.yaml: {name} is empty by default, and may be {LOOPBACK_OR_NOTHING} alone"


def in_scripts(texts: Mapping[str, str]) -> Iterator[str]:
    """Name every address in what builds, installs and deploys: nothing is fetched by address."""
    for path, text in texts.items():
        for number, line in enumerate(text.splitlines(), start=1):
            if _SCRIPT.search(path) and re.search(r"(https?|ftp|git\+\w+)://", line):
                yield f"{path}:{number}: an address in a script: what is fetched comes from a package index"


def main() -> Iterator[str]:
    yield from faults(read("functions", "layers", "cli", "local"))
    yield from in_template(Path("template.yaml").read_text())
    yield from in_scripts({name: Path(name).read_text(errors="replace") for name in files()})


if __name__ == "__main__":
    conclude(main())
