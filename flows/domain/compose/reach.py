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

from flows.domain.compose.text import parse_compose
from flows.domain.compose.yaml import check_yaml
from flows.domain.words.text import one_line
from tasks.host.env_file import parse_env
from tasks.host.stand_ins import is_setting
from tasks.kernel.errors import RefusedError

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
# Defaults that hold variables themselves are left to compose, and so cannot be judged.
_PIECE = re.compile(rf"\$(?:(\$)|({_NAME})|\{{({_NAME})(?:(:?[-?+])([^${{}}]*))?\}})")
_ADVICE = "name a file of the repository, or one below it that the hosts have; nothing was read"

Read = Callable[[str], str | None]
# A value that holds it may hold a variable, whose value only compose can tell.
_UNTOLD = "$"
# It holds nothing; the usual way to say that an include has no variables of its own.
_NOTHING = "/dev/null"
# Includes may double at each level, and what is judged with other variables is another file.
_MOST_FILES = 1000
# A line of an env file that can be read in one way only.
_PLAIN_LINE = re.compile(
    r"""[ \t]*+(?:#.*|(?:export[ ]++)?[A-Za-z_]\w*+=(?:"[^"\\$]*+"|'[^'\\]*+'|[^"'\\$\s#][^"'\\$#]*+)?)?[ \t\r]*+""",
    re.ASCII,
)


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
    commit = _Commit(read, frozenset(tracked))
    seen: set[tuple[str, str, tuple[tuple[str, str], ...]]] = set()
    while queue:
        file = queue.pop()
        mark = (file.path, file.base, tuple(sorted(file.variables.items())))
        if mark not in seen:
            seen.add(mark)
            if len(seen) > _MOST_FILES:
                raise RefusedError(
                    f"the compose files include each other more than {_MOST_FILES} times",
                    "include each file once",
                )
            queue += file.follow(commit)


@dataclass(frozen=True)
class _Commit:
    read: Read
    tracked: frozenset[str]
    known: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def document(self, path: str) -> Mapping[str, Any]:
        """Return what a compose file says; however often it is included, it is read once."""
        if path not in self.known:
            text = self.read(path)
            if text is None:
                raise RefusedError(
                    f"{one_line(path)} is not a file of the commit", "correct the path, or commit it"
                )
            check_yaml(path, text)
            self.known[path] = parse_compose(path, text)
        return self.known[path]


@dataclass(frozen=True)
class _File:
    """A compose file, the folder its paths start from, and the variables it is filled in with."""

    path: str
    base: str
    variables: Mapping[str, str] = field(default_factory=dict)

    def follow(self, commit: _Commit) -> Iterator[_File]:
        """Check what a file makes compose open; give the compose files among it."""
        document = commit.document(self.path)
        for name, told in self._keys(document.get("services"), "services").items():
            yield from self._service(f"services.{name}", self._keys(told, f"services.{name}"), commit)
        for number, entry in enumerate(_list(document.get("include"))):
            yield from self._include(f"include.{number}", entry, commit)

    def _service(self, where: str, service: Mapping[str, Any], commit: _Commit) -> Iterator[_File]:
        for key in ("env_file", "label_file"):
            for path in self._paths(service.get(key)):
                if path != _NOTHING:
                    self._readable(path, f"{where}.{key}", commit)
        extends = service.get("extends")
        if isinstance(extends, Mapping) and extends.get("file") is not None:
            place = self._compose_file(extends["file"], f"{where}.extends.file", commit)
            yield _File(place, posixpath.dirname(place) or ".", self.variables)

    def _include(self, where: str, entry: object, commit: _Commit) -> Iterator[_File]:
        options = entry if isinstance(entry, Mapping) else {"path": entry}
        places = [self._compose_file(path, where, commit) for path in self._paths(options.get("path"))]
        base = posixpath.dirname(places[0]) or "." if places else "."
        if options.get("project_directory"):
            base = self._fixed(options["project_directory"], f"{where}.project_directory")
        named = self._paths(options.get("env_file"))
        # Compose takes the folder's own `.env` where no other is named.
        own = posixpath.normpath(posixpath.join(base, ".env"))
        read = [self._told(path, f"{where}.env_file", commit) for path in named] or [
            _values(commit.read(own))
        ]
        told = {key: value for values in read for key, value in values.items()}
        yield from (_File(place, base, {**told, **self.variables}) for place in places)

    def _told(self, path: object, where: str, commit: _Commit) -> dict[str, str]:
        if path == _NOTHING:
            return {}
        self._fixed(path, where)
        return _values(commit.read(self._readable(path, where, commit)))

    def _compose_file(self, path: object, where: str, commit: _Commit) -> str:
        place = self._fixed(path, where)
        if commit.read(place) is None:
            raise self._refused(where, path, "which is not a file of the commit")
        return place

    def _fixed(self, path: object, where: str) -> str:
        """Return the place of what is read on: which one it is must be known."""
        if "COMPOSE_PROJECT_NAME" in str(path):
            raise self._refused(where, path, "a path that only compose could fill in")
        return self._place(path, where)

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

    @staticmethod
    def _paths(value: object) -> list[Any]:
        """Return the paths of `a`, `[a, b]` and `[{path: a, required: false}]`."""
        return [one.get("path") if isinstance(one, Mapping) else one for one in _list(value)]

    def _keys(self, value: object, where: str) -> Mapping[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise self._refused(where, value, "which is no mapping")
        return value

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
    """Return what an env file says; of one that might be read in another way, every name in it is untold."""
    if text is None:
        return {}
    if all(_PLAIN_LINE.fullmatch(line) for line in text.split("\n")):
        return parse_env(text)
    return dict.fromkeys(re.findall(_NAME, text), _UNTOLD)


def _list(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
