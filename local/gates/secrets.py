"""Secrets: no file of the repository holds one; detect-secrets looks.

What looks like a secret and is none stands in known_texts.json: the file it may stand in, why, and the digest
of the very text, so that another text in the same place is found. A row that nothing needs is a fault.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.filters import heuristic
from detect_secrets.plugins.base import BasePlugin, RegexBasedDetector
from detect_secrets.plugins.keyword import DENYLIST_REGEX

from local.gates import conclude, files
from local.template import parse_template

KNOWN = Path("local/gates/known_texts.json")
# What the entropy of a text is measured by: quotes. Here a value needs none.
UNQUOTED = {".yaml", ".yml", ".toml", ".ini", ".cfg", ".env", ".sh", ""}
_ASSIGNMENT = re.compile(r"""^[\s-]*[\w.-]+\s*[:=]\s*([^\s"'#{}]+)\s*(#.*)?$""")
_HASHES = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")
# In a template the name of a secret may stand lines above its value.
_NAMED = re.compile(r"secret|password|passphrase|token|credential|apikey", re.IGNORECASE)
_OF_SECRETS = re.compile(r"(arn|id|name|kms|key|type|url|description|pattern)s?$", re.IGNORECASE)
_VALUES = {"Default", "SecretString", "Value"}
# What detect-secrets has no word for.
_TOKENS = re.compile(
    r"""(?:token|bearer|credentials?|passphrase)["']?\s*[:=]\s*["'](?=[^"']*[0-9])([\w+=.~:/-]{8,})["']"""
    r"""|\b(?:bearer|basic)\s+(?=\S*[0-9])([\w+/=.~-]{16,})""",
    re.IGNORECASE,
)
_NAME = re.compile(r"arn:aws[\w-]*:|\{?resolve:")  # where a secret is, and not what it is
_KEYWORDS = re.compile(DENYLIST_REGEX, re.IGNORECASE)
_LONG = re.compile(r"""["'][\w+/=\\-]{9,}["']""")  # fewer characters cannot have the entropy of a secret
_MEASURES = {"HexHighEntropyString", "Base64HighEntropyString"}


@dataclass(frozen=True, slots=True)
class Known:
    """Texts that look like secrets and are none, by their digests; why, and in which files."""

    path: str
    why: str
    texts: Collection[str]


def plugins() -> list[BasePlugin]:
    """Make all of detect-secrets' plugins, but the one that calls a public address a secret."""
    classes: Collection[type[BasePlugin]] = get_mapping_from_secret_type_to_class().values()
    return [one() for one in classes if one.__name__ != "IPPublicDetector"]


def faults(texts: Mapping[str, str], known: Collection[Known]) -> Iterator[str]:
    """Name every place of one, and not what stands there; `texts` are all files by their paths."""
    looking = plugins()
    unused = {(row.path, digest) for row in known for digest in row.texts}
    allowed = frozenset(unused)
    for path, text in texts.items():
        for line, kind, secret in (*_found(path, text, looking), *_given(path, text)):
            digest = digest_of(secret)
            rows = {row for row in allowed if row[1] == digest and fnmatch(path, row[0])}
            unused -= rows
            if not rows:
                yield f"{path}:{line}: {kind}; if it is none, say why in {KNOWN}, as {digest}"
    yield from (f"{KNOWN}: {digest} is not in {path}: delete it" for path, digest in unused)


def digest_of(secret: str) -> str:
    """Give what a text is known by; in groups, since a digest in one piece would look like a secret."""
    digits = hashlib.sha256(secret.encode()).hexdigest()[:16]
    return "-".join(digits[at : at + 4] for at in range(0, 16, 4))


def _found(path: str, text: str, looking: Collection[BasePlugin]) -> Iterator[tuple[int, str, str]]:
    is_unquoted = Path(path).suffix in UNQUOTED
    looking = [one for one in looking if not isinstance(one, RegexBasedDetector) or _can_find(one, text)]
    for number, written in enumerate(text.splitlines(), start=1):
        line = _HASHES.sub("", written)
        if len(line.strip()) < 8:
            continue
        yield from ((number, "Token", one[1] or one[2]) for one in _TOKENS.finditer(line))
        match = _ASSIGNMENT.match(line) if is_unquoted else None
        for plugin in looking:
            one = f'{line} "{match[1]}"' if match and type(plugin).__name__ in _MEASURES else line
            if not _can_find(plugin, one):
                continue
            for secret in plugin.analyze_line(path, one, number):
                if secret.secret_value and not _is_harmless(secret.secret_value, one, plugin):
                    yield number, secret.type, secret.secret_value


def _can_find(plugin: BasePlugin, text: str) -> bool:
    """Tell quickly if a plugin may find something in a text: most cannot, in most files and lines."""
    if isinstance(plugin, RegexBasedDetector):
        return any(pattern.search(text) for pattern in plugin.denylist)
    return (_LONG if type(plugin).__name__ in _MEASURES else _KEYWORDS).search(text) is not None


def _given(path: str, text: str) -> Iterator[tuple[int, str, str]]:
    """Give what a template gives to parameters and properties that are called like a secret."""
    if Path(path).name != "template.yaml":
        return
    waiting: list[tuple[tuple[str, ...], object]] = [((), parse_template(text))]
    while waiting:
        keys, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [((*keys, str(key)), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            waiting += [(keys, inner) for inner in value]
        elif isinstance(value, str) and value and keys:
            named = keys[-2:] if keys[-1] in _VALUES else keys[-1:]
            if any(_NAMED.search(key) and not _OF_SECRETS.search(key) for key in named):
                yield text.count("\n", 0, text.find(value)) + 1, ".".join(keys), value


def _is_harmless(secret: str, line: str, plugin: BasePlugin) -> bool:
    """Ask detect-secrets' own filters; its comments that allow a line are not heard."""
    return (
        _NAME.match(secret) is not None
        or heuristic.is_sequential_string(secret)
        or heuristic.is_potential_uuid(secret)
        or heuristic.is_likely_id_string(secret, line, plugin)
        or heuristic.is_templated_secret(secret)
        or heuristic.is_prefixed_with_dollar_sign(secret)
        or heuristic.is_indirect_reference(line)
        or heuristic.is_not_alphanumeric_string(secret)
    )


def main() -> Iterator[str]:
    texts = {
        name: Path(name).read_text(errors="replace")
        for name in files()
        if not heuristic.is_non_text_file(name)
    }
    return faults(texts, [Known(**row) for row in json.loads(KNOWN.read_text())])


if __name__ == "__main__":
    conclude(main())
