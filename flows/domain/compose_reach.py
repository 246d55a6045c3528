"""What compose opens while it reads a commit, and whether all of that is the commit's own.

Compose reads env files, label files, included and extended files while it makes its configuration, so they are looked
for before it runs. What cannot be judged is refused: it would be read from the control machine.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.domain.compose_text import parse_compose
from flows.domain.text import one_line
from tasks.commands.env_file import parse_env
from tasks.commands.stand_ins import is_setting
from tasks.errors import RefusedError

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
# Defaults that hold variables themselves are left to compose, and so cannot be judged.
_PIECE = re.compile(rf"\$(?:(\$)|({_NAME})|\{{({_NAME})(?:(:?[-?+])([^${{}}]*))?\}})")
_ADVICE = "name a file of the repository, or one below it that the hosts have; nothing was read"

Read = Callable[[str], str | None]
# A value that holds it may hold a variable, whose value only compose can tell.
_UNTOLD = "$"


def check_reach(
    compose_files: Sequence[str], read: Read, tracked: Collection[str], variables: Mapping[str, str]
) -> None:
    """Refuse a commit whose compose files make compose open anything outside the commit.

    Args:
        compose_files: The files as given with `-f`, relative to the project directory.
        read: Gives a file of the commit, links within it followed; None where there is none.
        tracked: Every path of the commit.
        variables: The values that compose is given.

    Raises:
        RefusedError: A path leads out, is an address, or cannot be judged; file, service, key and path are told.
        TerminalError: A file is not a compose file.
    """
    given = {key: value for key, value in variables.items() if not is_setting(key)}
    queue = [_File(path, ".", given) for path in compose_files]
    seen: set[tuple[str, str, tuple[tuple[str, str], ...]]] = set()
    while queue:
        file = queue.pop()
        mark = (file.path, file.base, tuple(sorted(file.variables.items())))
        if mark not in seen:
            seen.add(mark)
            queue += file.follow(_Commit(read, frozenset(tracked)))


@dataclass(frozen=True)
class _Commit:
    read: Read
    tracked: frozenset[str]


@dataclass(frozen=True)
class _File:
    """A compose file, the folder its paths start from, and the variables it is filled in with."""

    path: str
    base: str
    variables: Mapping[str, str] = field(default_factory=dict)

    def follow(self, commit: _Commit) -> Iterator[_File]:
        """Check what a file makes compose open; give the compose files among it."""
        text = commit.read(self.path)
        if text is None:
            raise RefusedError(
                f"{one_line(self.path)} is not a file of the commit", "correct the path, or commit it"
            )
        document = self._keys(parse_compose(self.path, text), "the file")
        for name, told in self._keys(document.get("services"), "services").items():
            yield from self._service(f"services.{name}", self._keys(told, f"services.{name}"), commit)
        for number, entry in enumerate(_list(document.get("include"))):
            yield from self._include(f"include.{number}", entry, commit)

    def _service(self, where: str, service: Mapping[str, Any], commit: _Commit) -> Iterator[_File]:
        for key in ("env_file", "label_file"):
            for path in self._paths(service.get(key), f"{where}.{key}"):
                self._readable(path, f"{where}.{key}", commit)
        extends = service.get("extends")
        if isinstance(extends, Mapping) and extends.get("file") is not None:
            place = self._compose_file(extends["file"], f"{where}.extends.file", commit)
            yield _File(place, posixpath.dirname(place) or ".", self.variables)

    def _include(self, where: str, entry: object, commit: _Commit) -> Iterator[_File]:
        options = self._keys(entry, where) if isinstance(entry, Mapping) else {"path": entry}
        places = [self._compose_file(path, where, commit) for path in self._paths(options.get("path"), where)]
        base = posixpath.dirname(places[0]) or "." if places else "."
        if options.get("project_directory"):
            base = self._place(options["project_directory"], f"{where}.project_directory")
        # Compose takes the folder's own `.env` where no other is named.
        named = self._paths(options.get("env_file"), f"{where}.env_file") or [None]
        own = posixpath.normpath(posixpath.join(base, ".env"))
        files = [own if one is None else self._readable(one, f"{where}.env_file", commit) for one in named]
        told = {key: value for file in files for key, value in _values(commit.read(file)).items()}
        yield from (_File(place, base, {**told, **self.variables}) for place in places)

    def _compose_file(self, path: object, where: str, commit: _Commit) -> str:
        place = self._place(path, where)
        if commit.read(place) is None:
            raise self._refused(where, path, "which is not a file of the commit")
        return place

    def _readable(self, path: object, where: str, commit: _Commit) -> str:
        """Return the place of a file that the hosts may have instead of the commit."""
        place = self._place(path, where)
        if place in commit.tracked and commit.read(place) is None:
            raise self._refused(where, path, "a link that leads out of the commit")
        return place

    def _place(self, path: object, where: str) -> str:
        """Return a path relative to the project directory."""
        filled = _fill(path, self.variables) if isinstance(path, str) else None
        if filled is None:
            raise self._refused(where, path, "a path that only compose could fill in")
        place = posixpath.normpath(posixpath.join(self.base, filled))
        if "://" in filled or filled.startswith("~") or place.startswith(("/", "../")) or place == "..":
            raise self._refused(where, path, "outside the commit")
        return place

    def _paths(self, value: object, where: str) -> list[Any]:
        """Return the paths of `a`, `[a, b]` and `[{path: a, required: false}]`."""
        entries = _list(value)
        return [self._keys(one, where).get("path") if isinstance(one, Mapping) else one for one in entries]

    def _keys(self, value: object, where: str) -> Mapping[str, Any]:
        found = value if isinstance(value, Mapping) else {}
        if any(isinstance(key, bytes) for key in found):
            raise self._refused(where, "!!binary", "a key that cannot be judged")
        return found

    def _refused(self, where: str, path: object, why: str) -> RefusedError:
        shown = one_line(str(path))[:200]
        return RefusedError(f"{one_line(self.path)}: {one_line(where)} names {shown}, {why}", _ADVICE)


def _fill(text: str, variables: Mapping[str, str]) -> str | None:
    """Fill in variables as compose does; None where only compose could."""
    filled, position = "", 0
    for match in _PIECE.finditer(text):
        if "$" in text[position : match.start()]:
            return None
        value = _value(match, variables)
        if value is None:
            return None
        filled += text[position : match.start()] + value
        position = match.end()
    return None if "$" in text[position:] else filled + text[position:]


def _value(match: re.Match[str], variables: Mapping[str, str]) -> str | None:
    if match[1]:
        return "$"
    name, operator, word = match[2] or match[3], match[4] or "", match[5] or ""
    # The project's name, which compose always knows, leads nowhere else.
    value = "project" if name == "COMPOSE_PROJECT_NAME" else variables.get(name)
    # Of a setting compose has a value of its own.
    if (is_setting(name) and name != "COMPOSE_PROJECT_NAME") or (value is not None and _UNTOLD in value):
        return None
    given = bool(value) if operator.startswith(":") else value is not None
    if operator.endswith("+"):
        return word if given else ""
    return value if given and value is not None else word if operator.endswith("-") else ""


def _values(text: str | None) -> dict[str, str]:
    return parse_env(text) if text is not None else {}


def _list(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
