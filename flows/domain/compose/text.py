"""What compose files say before compose has read them: the files they name, the variables they need."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import yaml

from blocks.values.base import Value
from flows.domain.words.text import one_line
from tasks.host.paths import leads_out
from tasks.kernel.errors import TerminalError

_VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(:?[-+?])?|([A-Za-z_][A-Za-z0-9_]*))")
_MOST_MERGED = 1_000_000
_WITH_DEFAULT = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*:?-([^{}$]*)\}")


class NamedFiles(Value):
    """The files that compose files name, relative to the project directory.

    Attributes:
        outside: Paths that lead out of the project directory, addresses, and paths with a variable that has no default.
    """

    compose: tuple[str, ...]
    env_files: tuple[str, ...]
    outside: tuple[str, ...]


class _ComposeLoader(yaml.SafeLoader):
    """Reads compose files: `!reset` and `!override` are read as what they stand at, and keys as they are written."""

    merged = 0

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Bring in what `<<` names, within a bound: merges of merges may double at each level."""
        super().flatten_mapping(node)
        self.merged += len(node.value)
        if self.merged > _MOST_MERGED:
            raise yaml.constructor.ConstructorError(
                problem="too much is merged", problem_mark=node.start_mark
            )

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        """Return a mapping in which `yes` and `on` are two keys, as they are for compose."""
        self.flatten_mapping(node)
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                key.tag = "tag:yaml.org,2002:str"
        return super().construct_mapping(node, deep)


def _untagged(loader: _ComposeLoader, _suffix: str, node: yaml.Node) -> Any:  # noqa: ANN401
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


_ComposeLoader.add_multi_constructor("!", _untagged)


def parse_compose(path: str, text: str) -> dict[str, Any]:
    """Read a compose file as YAML."""
    try:
        document = yaml.load(text, Loader=_ComposeLoader)  # noqa: S506 - the loader is a safe one
    # A date such as 2026-13-40 is a ValueError of the constructor.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise TerminalError(
            f"{one_line(path)} is not valid YAML: {_problem(error)}", "fix the file"
        ) from None
    if not isinstance(document, dict):
        raise TerminalError(f"{one_line(path)} is not a compose file", "it must be a mapping with `services`")
    return document


def _problem(error: Exception) -> str:
    """Say what is wrong and where, without the text around it, which may hold a secret."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{one_line(error.problem or 'unreadable')}, line {error.problem_mark.line + 1}"
    return type(error).__name__


def named_files(compose_files: Iterable[str], read: Callable[[str], str | None]) -> NamedFiles:
    """Follow compose files to every file they name, through `include` and `extends`."""
    found = _Found()
    # Paths in a file given with -f start at the project directory, in any other at that file's folder.
    for path in compose_files:
        found.follow(path, ".", "")
    while found.queue:
        path, base = found.queue.pop(0)
        text = read(path)
        if text is not None:
            _name(parse_compose(path, text), base, found)
    return NamedFiles(
        compose=tuple(found.compose), env_files=tuple(found.env_files), outside=tuple(found.outside)
    )


class _Found:
    def __init__(self) -> None:
        # Mappings keep the order, and each path once.
        self.compose: dict[str, None] = {}
        self.env_files: dict[str, None] = {}
        self.outside: dict[str, None] = {}
        self.queue: list[tuple[str, str]] = []

    def follow(self, path: str, base: str, own_base: str | None = None) -> None:
        """Note a compose file, and queue it unless that was done before."""
        place = self.place(path, base)
        if place is not None and place not in self.compose:
            self.compose[place] = None
            folder = base if own_base == "" else own_base or posixpath.dirname(place) or "."
            self.queue.append((place, folder))

    def env_file(self, path: str, base: str) -> None:
        place = self.place(path, base)
        if place is not None:
            self.env_files[place] = None

    def place(self, path: str, base: str) -> str | None:
        """Return a path relative to the project directory, None where it is not inside."""
        path = _WITH_DEFAULT.sub(r"\1", path)
        place = posixpath.normpath(posixpath.join(base, path))
        if "$" in path or "://" in path or path.startswith("~") or leads_out(place):
            self.outside[path] = None
            return None
        return place


def _name(document: Mapping[str, Any], base: str, found: _Found) -> None:
    for service in _mapping(document.get("services")).values():
        extends = _mapping(_mapping(service).get("extends")).get("file")
        if isinstance(extends, str) and extends:
            found.follow(extends, base)
        for path in _paths(_mapping(service).get("env_file")):
            found.env_file(path, base)
    for entry in as_list(document.get("include")):
        options = _mapping(entry)
        folder = options.get("project_directory")
        own_base = found.place(folder, base) if isinstance(folder, str) else None
        for path in _paths(options.get("path") if options else entry):
            found.follow(path, base, own_base)
        for path in _paths(options.get("env_file")):
            found.env_file(path, base)


def _paths(value: object) -> Iterator[str]:
    for entry in as_list(value):
        options = _mapping(entry)
        path = options.get("path") if options else entry
        if isinstance(path, str) and path:
            yield path


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Return what may be written as a list, as one value or not at all."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def fixed_images(texts: Mapping[str, str]) -> frozenset[str]:
    """Return the services whose image is written without a variable, and may be fetched: the same on every host.

    Args:
        texts: Path → text of each compose file, in the order they are merged.

    Returns:
        Service names; a service that only an included or extended file has is not among them.
    """
    images: dict[str, str] = {}
    policies: dict[str, object] = {}
    for path, text in texts.items():
        for name, service in _mapping(parse_compose(path, text).get("services")).items():
            image = _mapping(service).get("image")
            if isinstance(image, str):
                images[name] = image
            policies[name] = _mapping(service).get("pull_policy", policies.get(name))
    # One that is never fetched is the host's own, whatever a registry has under its name.
    return frozenset(name for name, image in images.items() if "$" not in image and policies[name] != "never")


def required_variables(texts: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables that compose files take from the environment without a default.

    Returns:
        The names of `${NAME:?}`, `${NAME?}`, `${NAME}` and `$NAME`, sorted. A variable inside another's default is not
        among them: it may never be needed.
    """
    used = [use for path, text in texts.items() for use in _uses(parse_compose(path, text), set())]
    return tuple(sorted({name for name, operator in used if operator in {"", "?", ":?"}}))


def _uses(value: object, seen: set[int]) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield from _uses_in_text(value)
    elif isinstance(value, dict | list) and id(value) not in seen:
        # Aliases share one object: seen once is enough, and a hostile file cannot multiply itself.
        seen.add(id(value))
        for entry in value.values() if isinstance(value, dict) else value:
            yield from _uses(entry, seen)


def _uses_in_text(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while match := _VARIABLE.search(text, position):
        position = match.end()
        if name := match[1] or match[3]:
            yield name, match[2] or ""
        if match[2]:
            position = _closing_brace(text, position)


def _closing_brace(text: str, position: int) -> int:
    depth = 1
    while depth and position < len(text):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        position += 1
    return position
