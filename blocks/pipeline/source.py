"""Reads YAML into plain data and remembers the line of every key, within limits.

Scalars follow YAML 1.2's core schema: `on`, `yes` and `8:30` are text, not booleans and numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from blocks.pipeline.problems import KeyPath, Problem, shown

LARGEST_CHARACTERS = 100_000
MOST_NODES = 5_000
DEEPEST = 30

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"


class _TooMuchError(Exception):
    """A limit was passed; reading ends."""


class _BoundedLoader(yaml.SafeLoader):
    """Composes nodes only, and stops at the limits: PyYAML recurses, and takes a second for 4,000 nodes."""

    depth = 0
    nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        self.nodes += 1
        if self.depth > DEEPEST or self.nodes > MOST_NODES:
            raise yaml.MarkedYAMLError(
                problem=f"more than {MOST_NODES} entries, or nested deeper than {DEEPEST} levels",
                problem_mark=self.peek_event().start_mark,  # type: ignore[no-untyped-call]
            )
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


_BoundedLoader.yaml_implicit_resolvers = {}
for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"-?(?:0|[1-9][0-9]{0,17})", list("-0123456789")),
    (
        "float",
        r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][-+]?[0-9]{1,3})?|[eE][-+]?[0-9]{1,3})",
        list("-0123456789"),
    ),
    ("merge", r"<<", ["<"]),
):
    _BoundedLoader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"^(?:{_pattern})$"), _first)


@dataclass
class Document:
    """What a file holds.

    Attributes:
        lines: Path → the line of its key, counted from 1.
        problems: Duplicate keys and whatever else plain data cannot hold.
    """

    data: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line_of(self, path: KeyPath) -> int:
        """Return the line of a path, or of its nearest parent that was written."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_document(text: str) -> Document:
    """Read YAML; a text that is none has no data and one problem."""
    if len(text) > LARGEST_CHARACTERS:
        return _refused(f"larger than {LARGEST_CHARACTERS} characters", 1)
    try:
        node = yaml.compose(text, Loader=_BoundedLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _refused(error.problem or error.context or "not YAML", mark.line + 1 if mark else 1)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return _refused("a character that YAML does not allow", line)
    # PyYAML lets these through for escapes and directives beyond what Python can hold.
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        return _refused(str(error), 1)
    return _NodeReader().read(node)


def _refused(reason: str, line: int) -> Document:
    message = f"not readable as YAML: {reason.splitlines()[0] if reason else 'unknown reason'}"
    return Document(problems=[Problem((), message, line)])


class _NodeReader:
    """Turns nodes into data; aliases count each time, which is what stops an alias bomb."""

    def __init__(self) -> None:
        self.document = Document()
        self.nodes = 0

    def read(self, node: yaml.Node | None) -> Document:
        try:
            self.document.data = None if node is None else self.value(node, ())
        except _TooMuchError as error:
            self.document.data = None
            self.document.problems = [Problem((), str(error), 1)]
        return self.document

    def value(self, node: yaml.Node, path: KeyPath) -> Any:  # noqa: ANN401 - YAML holds anything
        self.nodes += 1
        if self.nodes > MOST_NODES or len(path) > DEEPEST:
            raise _TooMuchError(f"more than {MOST_NODES} entries or {DEEPEST} levels, aliases included")
        self.document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.value(entry, (*path, index)) for index, entry in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path)
        self.complain(path, node, f"the tag {shown(node.tag)} is not supported here")
        return None

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        pairs: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                continue
            if not isinstance(key, yaml.ScalarNode):
                self.complain(path, key, "a key must be plain text")
            elif not _encodable(key.value):
                self.complain(path, key, "a key contains half of a surrogate pair")
            elif key.value in pairs:
                first = pairs[key.value][0].start_mark.line + 1
                self.complain((*path, key.value), key, f"given twice, first on line {first} — remove one")
            else:
                pairs[key.value] = (key, value)
        for name, pair in self.merged(node, path, 0).items():
            pairs.setdefault(name, pair)
        result = {}
        for name, (key, value) in pairs.items():
            self.document.lines[(*path, name)] = key.start_mark.line + 1
            result[name] = self.value(value, (*path, name))
        return result

    def merged(
        self, node: yaml.MappingNode, path: KeyPath, depth: int
    ) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Collect what `<<` brings in: the first mapping that has a key wins."""
        found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if key.tag != _MERGE:
                continue
            for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                self.nodes += 1 + len(source.value)
                if depth > DEEPEST or self.nodes > MOST_NODES:
                    raise _TooMuchError("merged (<<) too often or into itself")
                if not isinstance(source, yaml.MappingNode):
                    self.complain(path, key, "<< takes an alias of keys with values, or a list of them")
                    continue
                own = {
                    k.value: (k, v)
                    for k, v in source.value
                    if isinstance(k, yaml.ScalarNode) and k.tag != _MERGE
                }
                for name, pair in {**self.merged(source, path, depth + 1), **own}.items():
                    found.setdefault(name, pair)
        return found

    def scalar(self, node: yaml.ScalarNode, path: KeyPath) -> str | int | float | bool | None:
        construct = _SCALARS.get(node.tag.removeprefix(_TAG))
        if construct is None:
            self.complain(path, node, f"the tag {shown(node.tag)} is not supported here")
            return None
        try:
            return construct(node.value)
        except (ValueError, KeyError):
            self.complain(path, node, f"{shown(node.value)} cannot be read as {node.tag.removeprefix(_TAG)}")
            return None

    def complain(self, path: KeyPath, node: yaml.Node, message: str) -> None:
        self.document.problems.append(Problem(path, message, node.start_mark.line + 1))


def _encodable(value: str) -> bool:
    """False for half of a surrogate pair, which a YAML escape can name and nothing can encode."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _text(value: str) -> str:
    if not _encodable(value):
        raise ValueError(value)
    return value


def _number(value: str) -> float:
    if not math.isfinite(number := float(value)):
        raise ValueError(value)
    return number


_SCALARS: dict[str, Callable[[str], str | int | float | bool | None]] = {
    "null": lambda _: None,
    "bool": lambda value: {"true": True, "false": False}[value.lower()],
    "int": int,
    "float": _number,
    "str": _text,
    "merge": _text,
}
