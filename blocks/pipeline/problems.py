"""What is wrong with a pipeline, one line each: file, line, path, what was expected, the nearest spelling."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

KeyPath = tuple[str | int, ...]

LONGEST_SHOWN = 60


@dataclass(frozen=True)
class Problem:
    """One thing to fix; lines are counted from 1, and None where no line applies."""

    path: KeyPath
    message: str
    line: int | None = None
    file: str = "pipeline.yaml"

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (where, format_path(self.path), self.message) if part)


class PipelineError(ValueError):
    """A pipeline that cannot be used. Its text is one line per problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def format_path(path: KeyPath) -> str:
    """Write a path as people do: `environments.prod.smoke[0].http`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{_shorten(part)}" for part in path)
    return text.removeprefix(".")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a message's end with the nearest valid spelling, or with the choice where it is small."""
    choice = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), choice, n=1, cutoff=0.6)
    if close:
        return f' — did you mean "{choice[close[0]]}"?'
    return f" — known here: {', '.join(choice.values())}" if choice else ""


def shown(value: object) -> str:
    """Write a value found in the file, short enough for a message; containers by their kind."""
    if isinstance(value, dict):
        return "keys with values"
    if isinstance(value, list | tuple):
        return "a list"
    return _shorten(json.dumps(value, ensure_ascii=False, default=str))


def _shorten(text: str) -> str:
    printable = "".join(character if character.isprintable() else "�" for character in text)
    return printable if len(printable) <= LONGEST_SHOWN else printable[: LONGEST_SHOWN - 1] + "…"
