"""Reads sources for the rules: modules by their paths, and what syntax trees say of names and texts."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

type Sources = Mapping[str, str]


def read(*folders: str) -> dict[str, str]:
    """Read all modules of some folders."""
    return {str(path): path.read_text() for folder in folders for path in sorted(Path(folder).rglob("*.py"))}


def name_of(node: ast.AST | None) -> str:
    """Give the last part of a dotted name: `token` of `self._session.token`, and of a call of it."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=func):
            return name_of(func)
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            return key
        case ast.Subscript(value=value) | ast.Starred(value=value) | ast.Await(value=value):
            return name_of(value)
        case _:
            return ""


def shape(node: ast.Constant | ast.JoinedStr) -> str | None:
    """Give a text as it is written, with `{}` for whatever is put in; None if it is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    parts = (one.value if isinstance(one, ast.Constant) else "{}" for one in node.values)
    return "".join(map(str, parts))


def texts(tree: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """Give every text of a module but its docstrings; of an f-string the whole and not its parts."""
    skipped = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    skipped |= {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in skipped:
            found = shape(node)
            if found is not None:
                yield node, found


def assigned(tree: ast.AST) -> Iterator[tuple[str, ast.expr, ast.AST]]:
    """Give (name, value, statement) of everything that gives a plain name a value: also loops and `with`."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets, value=value):
                pairs = [(target, value) for target in targets]
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                pairs = [(target, value)]
            case ast.AugAssign(target=target, value=value) | ast.NamedExpr(target=target, value=value):
                pairs = [(target, value)]
            case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
                pairs = [(target, value)]
            case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                pairs = [(target, value)]
            case _:
                continue
        for target, value in pairs:
            yield from ((one.id, value, node) for one in ast.walk(target) if isinstance(one, ast.Name))
