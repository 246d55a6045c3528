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

from flows.domain.compose.text import as_list, parse_compose
from flows.domain.compose.yaml import check_yaml
from flows.domain.words.text import one_line
from tasks.host.env_file import parse_env
from tasks.host.paths import leads_out
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

    Raises:
        RefusedError: A path leads out, is an address, or cannot be judged; file, service, key and path are told.
    """
    given = {key: value for key, value in variables.items() if not is_setting(key)}
    queue = [_File(path, (".",), given) for path in compose_files]
    commit = _Commit(read, frozenset(tracked))
    seen: set[tuple[object, ...]] = set()
    while queue:
        file = queue.pop()
        mark = (file.path, file.bases, file.included, tuple(sorted(file.variables.items())))
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

    def has_folder(self, path: str) -> bool:
        return path == "." or any(one.startswith(f"{path}/") for one in self.tracked)


@dataclass(frozen=True)
class _File:
    """A compose file, and how it is read.

    Attributes:
        bases: The folders its paths start from; the files it names are looked for in the first one. With an include's
            `project_directory` versions of compose differ, and a path must not lead out of the commit from any.
    """

    path: str
    bases: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    included: bool = False

    def follow(self, commit: _Commit) -> Iterator[_File]:
        """Check what a file makes compose open; give the compose files among it."""
        document = commit.document(self.path)
        for name, told in self._keys(document.get("services"), "services").items():
            yield from self._service(f"services.{name}", self._keys(told, f"services.{name}"), commit)
        for number, entry in enumerate(as_list(document.get("include"))):
            yield from self._include(f"include.{number}", entry, commit)

    def _service(self, where: str, service: Mapping[str, Any], commit: _Commit) -> Iterator[_File]:
        for key in ("env_file", "label_file"):
            for path in self._paths(service.get(key)):
                if path != _NOTHING:
                    self._readable(path, f"{where}.{key}", commit)
        extends = service.get("extends")
        if isinstance(extends, Mapping) and extends.get("file") is not None:
            places = self._compose_file(extends["file"], f"{where}.extends.file", commit)
            yield _File(places[0], _folders(places), self.variables, self.included)

    def _include(self, where: str, entry: object, commit: _Commit) -> Iterator[_File]:
        options = entry if isinstance(entry, Mapping) else {"path": entry}
        files = [self._compose_file(path, where, commit) for path in self._paths(options.get("path"))]
        bases = _folders(files[0]) if files else self.bases
        named, folder = self._paths(options.get("env_file")), options.get("project_directory")
        if self.included and (folder or any(path != _NOTHING for path in named)):
            key = "project_directory" if folder else "env_file"
            why = "which versions of compose look for in different folders, as an included file includes"
            raise self._refused(f"{where}.{key}", options.get(key), why)
        if folder:
            bases = (self._folder(folder, f"{where}.project_directory", commit), *bases)
        # Compose takes the folder's own `.env` where no other is named.
        own = posixpath.normpath(posixpath.join(bases[0], ".env"))
        read = [self._told(path, f"{where}.env_file", commit) for path in named] or [
            _values(commit.read(own))
        ]
        told = {key: value for values in read for key, value in values.items()}
        yield from (_File(one[0], bases, {**told, **self.variables}, included=True) for one in files)

    def _folder(self, path: object, where: str, commit: _Commit) -> str:
        """Return the folder an included file is read in; in place of one that is not there compose takes another."""
        place = self._fixed(path, where)[0]
        if not (isinstance(path, str) and _fill(path, self.variables) and commit.has_folder(place)):
            raise self._refused(where, path, "which is not a folder of the commit")
        return place

    def _told(self, path: object, where: str, commit: _Commit) -> dict[str, str]:
        if path == _NOTHING:
            return {}
        self._fixed(path, where)
        return _values(commit.read(self._readable(path, where, commit)))

    def _compose_file(self, path: object, where: str, commit: _Commit) -> tuple[str, ...]:
        places = self._fixed(path, where)
        if commit.read(places[0]) is None:
            raise self._refused(where, path, "which is not a file of the commit")
        return places

    def _fixed(self, path: object, where: str) -> tuple[str, ...]:
        """Return the places of what is read on: which ones they are must be known."""
        if "COMPOSE_PROJECT_NAME" in str(path):
            raise self._refused(where, path, "a path that only compose could fill in")
        return self._places(path, where)

    def _readable(self, path: object, where: str, commit: _Commit) -> str:
        """Return the place of a file that the hosts may have instead of the commit."""
        place = self._places(path, where)[0]
        # A folder that is a link is tracked as a file is.
        above = (place[:end] for end, character in enumerate(f"{place}/") if character == "/")
        links = (one for one in above if one in commit.tracked and commit.read(one) is None)
        if commit.read(place) is None and any(links):
            raise self._refused(where, path, "a link that leads out of the commit, or to no file of it")
        return place

    def _places(self, path: object, where: str) -> tuple[str, ...]:
        """Return what a path leads to from each base, relative to the project directory."""
        filled = _fill(path, self.variables) if isinstance(path, str) else None
        if filled is None:
            raise self._refused(where, path, "a path that only compose could fill in")
        places = tuple(posixpath.normpath(posixpath.join(base, filled)) for base in self.bases)
        if "://" in filled or filled.startswith("~") or leads_out(places[0]):
            raise self._refused(where, path, "outside the commit")
        if any(map(leads_out, places)):
            raise self._refused(
                where, path, "outside the commit where compose starts from the included file's own folder"
            )
        return places

    @staticmethod
    def _paths(value: object) -> list[Any]:
        return [one.get("path") if isinstance(one, Mapping) else one for one in as_list(value)]

    def _keys(self, value: object, where: str) -> Mapping[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise self._refused(where, value, "which is no mapping")
        return value

    def _refused(self, where: str, path: object, why: str) -> RefusedError:
        shown = one_line(str(path))[:200]
        return RefusedError(f"{one_line(self.path)}: {one_line(where)} names {shown}, {why}", _ADVICE)


def _folders(places: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(posixpath.dirname(place) or "." for place in places)


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
