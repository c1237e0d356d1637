"""The papers of a package: plain text that people read and complete."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FunctionLoader, StrictUndefined, select_autoescape

from holdfast.evidence.load_file import FIELDS
from holdfast.evidence.wording import scope_in_words

if TYPE_CHECKING:
    from holdfast.evidence.package import Matter

_PAGES = Path(__file__).with_name("pages")


def page(name: str) -> str:
    """Read a page's source, as it is shipped."""
    return (_PAGES / name).read_text(encoding="utf-8")


@cache
def environment() -> Environment:
    """Give the templates; what becomes HTML is escaped, and a name that is not given is an error."""
    return Environment(
        loader=FunctionLoader(page),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def paper(name: str, matter: "Matter") -> bytes:
    """Write one of the papers."""
    template = environment().get_template(name.rpartition("/")[2])
    return template.render(
        matter=matter,
        fields={field: meaning for field, (meaning, _) in FIELDS.items()},
        scopes=[(request, scope_in_words(request.body["scope"])) for request in matter.requests],
        objects=matter.register.count_rows(),
        media_files=matter.register.media_files(),
        exceptions=matter.register.count_exceptions(),
    ).encode()
