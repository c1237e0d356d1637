"""Reads a CloudFormation template into plain objects: short tags become their long form."""

from pathlib import Path
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # built without libyaml, and ten times slower
    from yaml import SafeLoader  # type: ignore[assignment]

type Template = dict[str, Any]


class _Loader(SafeLoader):
    """YAML as CloudFormation means it: dates stay text, and `!Name` is `Fn::Name`."""


def _long_form(loader: SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)  # noqa: S101 - YAML has no fourth kind
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _long_form)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", yaml.SafeLoader.construct_yaml_str)  # type: ignore[type-var]


def read_template(path: Path) -> Template:
    """Return the template at `path`, with nothing resolved but its tags."""
    return parse_template(path.read_text())


def parse_template(text: str) -> Template:
    """Return a template, with nothing resolved but its tags."""
    template: Template = yaml.load(text, Loader=_Loader)  # nosec B506 # noqa: S506 - a safe loader, extended
    return template
