"""YAML that every program reads in the same way: Sluice judges a text with one reader, and compose has another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain

import yaml

from flows.domain.words.text import one_line
from tasks.kernel.errors import RefusedError, TerminalError

_STANDARD = "tag:yaml.org,2002:"
_MERGE, _KEY = f"{_STANDARD}merge", "<<"
_RESOLVER = yaml.resolver.Resolver()
# Compose's own; it takes away, or takes in place of what was there, what stands at them.
_OF_COMPOSE = frozenset({"!reset", "!override"})
_CONTAINERS = frozenset({f"{_STANDARD}map", f"{_STANDARD}seq"}) | _OF_COMPOSE
_WORDS = frozenset({f"{_STANDARD}str", f"{_STANDARD}null"})
_SCALARS = frozenset(
    f"{_STANDARD}{kind}" for kind in ("str", "int", "float", "bool", "timestamp", "binary", "value")
)


def check_yaml(path: str, text: str) -> None:
    """Refuse YAML that compose may read differently.

    Raises:
        RefusedError: A tag, a merge or a key is written so that programs differ in what it means; the line is told.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        odd = next(chain(_odd(root), _odd_includes(root)), None) if root is not None else None
    except (yaml.YAMLError, RecursionError):
        raise TerminalError(f"{one_line(path)} is not valid YAML", "fix the file") from None
    if odd is not None:
        raise RefusedError(
            f"{one_line(path)}: line {odd.start_mark.line + 1} is YAML that programs read in different ways",
            "write it without a tag and each key once, and below include words that are no number, date, yes or no "
            "in quotes; of tags only !reset and !override are known, and not below include",
        )


def _odd(root: yaml.Node) -> Iterator[yaml.Node]:
    for node in _nodes([root]):
        if isinstance(node, yaml.ScalarNode):
            if not _is_plain_value(node):
                yield node
        elif node.tag not in _CONTAINERS:
            yield node
        elif isinstance(node, yaml.MappingNode):
            yield from _odd_keys(node)


def _odd_includes(root: yaml.Node) -> Iterator[yaml.Node]:
    """Give what programs differ in below `include`, where it decides which other files are read, and how."""
    included: list[yaml.Node] = []
    # A merge may bring it, or may be a part of it.
    for node in _nodes([root], _KEY):
        if isinstance(node, yaml.MappingNode):
            included += [value for key, value in node.value if key.value == "include"]
    below = [entry for node in included if isinstance(node, yaml.SequenceNode) for entry in node.value]
    for node in _nodes(below):
        words = isinstance(node, yaml.ScalarNode) and node.tag in _WORDS and not _may_be_number(node)
        if node.tag in _OF_COMPOSE or (isinstance(node, yaml.ScalarNode) and not words):
            yield node


def _nodes(roots: Iterable[yaml.Node], *keys: str) -> Iterator[yaml.Node]:
    """Give nodes and all below them; of mappings only below some keys where any are named."""
    seen, queue = set(), [*roots]
    while queue:
        node = queue.pop()
        # Aliases share one node.
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, yaml.MappingNode):
            queue += [value for key, value in node.value if not keys or key.value in keys]
        elif isinstance(node, yaml.SequenceNode):
            queue += node.value


def _may_be_number(node: yaml.ScalarNode) -> bool:
    """Say whether compose takes for a number what is a text here, as `0o17`."""
    with suppress(ValueError):
        int(node.value.replace("_", ""), 0)
        return node.style is None
    return False


def _odd_keys(mapping: yaml.MappingNode) -> Iterator[yaml.Node]:
    known = set()
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode) or key.value in known or not _is_plain_key(key):
            yield key
        else:
            known.add(key.value)


def _is_plain_key(key: yaml.ScalarNode) -> bool:
    if key.value == _KEY or key.tag == _MERGE:
        return key.value == _KEY and key.tag == _MERGE
    return key.tag in {f"{_STANDARD}str", _untagged(key)}


def _is_plain_value(node: yaml.ScalarNode) -> bool:
    return node.tag in _SCALARS | _OF_COMPOSE or node.tag == _untagged(node)


def _untagged(node: yaml.ScalarNode) -> str:
    """Return the tag of a scalar as if it were written without one."""
    return str(_RESOLVER.resolve(yaml.ScalarNode, node.value, (True, False)))  # type: ignore[no-untyped-call]
