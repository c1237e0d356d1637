"""How pages look on terminals of any width."""

from io import StringIO

from rich.console import Console, RenderableType
from rich.text import Text

from cli.pages import Fitting, indented


def shown(page: RenderableType, columns: int) -> str:
    console = Console(file=StringIO(), width=columns)
    console.print(page, soft_wrap=True)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_a_line_of_text_is_never_cut_off() -> None:
    key = "conversation_id=49e78701-95b0-429a-8571-11497d559b12"

    assert shown(indented(Text(key)), 20) == f"  {key}\n"


def test_what_is_too_wide_gives_way_to_what_fits() -> None:
    page = Fitting(Text("wide " * 5), Text("narrow " * 2), Text("small"))

    assert [shown(page, columns).split()[0] for columns in (30, 15, 5, 2)] == [
        "wide",
        "narrow",
        "small",
        "small",
    ]
