"""What may not lie in the repository, and what its documents may not promise."""

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import PurePosixPath

LOCKS = {"uv.lock", "pylock.toml", "poetry.lock", "Pipfile.lock", "package-lock.json"}
# Brackets where none are needed, so that a pattern does not find itself.
ADDRESSES = re.compile(
    r"pythonhosted[.]org|pypi[.]org/simple|--(extra-)?index[-]url|--find[-]links|--trusted[-]host"
)
HOMES = re.compile(r"(?<![\w.~}/-])(/(home|Users|root)/|[A-Z]:\\)[\w.-]+")
SECRETS = re.compile(
    r"AKIA(?!IOSFODNN7EXAMPLE)[0-9A-Z]{16}"  # the exception is the one of AWS's own documentation
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|\b(gh[pousr]_|github_pat_|xox[abpr]-|glpat-|sk-)[0-9A-Za-z_-]{16,}"
    r"|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}"  # a JSON Web Token
)
BLANKET = re.compile(r"#\s*nosec(?!\s+B\d{3}\b)")
ADDRESSEES = re.compile(r"[\w.+-]+@([\w-]+(?:\.[\w-]+)+)")
INVENTED = re.compile(r"(.+\.)?(example(\.\w+)?|test|invalid|localhost)")  # RFC 2606

_LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")
_CODE = re.compile(r"```[a-z]*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
_MAKE = re.compile(r"(?:^|[\s&;])make ([a-z]+)\b")
_SCENARIO = re.compile(r"SCENARIO=([\w.-]+/[\w./-]+\.json)")


def faults(texts: Mapping[str, str], *, root: str) -> Iterator[str]:
    """Name what should not be committed: `texts` are all files by their paths."""
    for path, text in texts.items():
        if PurePosixPath(path).name in LOCKS:
            yield f"{path}: requirements/*.txt are the only locks"
        for what, pattern in (("a download address", ADDRESSES), ("a home", HOMES), ("a secret", SECRETS)):
            if found := pattern.search(text):
                yield f"{path}: {what}, in line {text.count('\n', 0, found.start()) + 1}"
        if path.endswith(".py") and (found := BLANKET.search(text)):
            yield f"{path}: answers bandit without a number, in line {text.count('\n', 0, found.start()) + 1}"
        if root in text:
            yield f"{path}: the folder of this checkout"
        for found in ADDRESSEES.finditer(text):
            if "@" not in path and not INVENTED.fullmatch(found[1]) and _is_mail(found[0]):
                yield f"{path}: a mail address, in line {text.count('\n', 0, found.start()) + 1}"


def _is_mail(text: str) -> bool:
    """Tell a mail address from an action's or a package's version, as in name@1.2.3."""
    return re.fullmatch(r"[a-z]{2,}", text.rpartition(".")[2]) is not None


def promises(
    documents: Mapping[str, str], *, files: AbstractSet[str], targets: AbstractSet[str]
) -> Iterator[str]:
    """Name every link and command of a document that leads nowhere."""
    folders = {str(parent) for file in files for parent in PurePosixPath(file).parents}
    for path, text in documents.items():
        for link in _LINK.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
            target = _resolved(PurePosixPath(path).parent / link)
            if target not in files | folders:
                yield f"{path}: links to {link}"
        code = "\n".join(block or inline for block, inline in _CODE.findall(text))
        yield from (f"{path}: make {one}" for one in _MAKE.findall(code) if one not in targets)
        yield from (f"{path}: {one}" for one in _SCENARIO.findall(code) if one not in files)


def _resolved(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
