"""The tree of errors is drawn as it is."""

import re

from holdfast import errors


def test_the_drawn_tree_is_the_tree_of_classes() -> None:
    """Class names are what workflows retry by: whoever adds one draws it."""
    drawn = {}
    path: list[str] = []
    for branch, name in re.findall(r"^ {4}([│├└─ ]*)(\w+)(?: {2,}|$)", errors.__doc__ or "", re.MULTILINE):
        path = [*path[: len(branch) // 4], name]
        drawn[name] = path[-2] if len(path) > 1 else "Exception"

    classes = {
        name: one.__base__.__name__
        for name, one in vars(errors).items()
        if isinstance(one, type) and issubclass(one, Exception) and one.__base__
    }
    assert drawn == classes
