"""What may be written in more than one way: one entry for a list, a number for text; and commands."""

from __future__ import annotations

import json
import shlex
from pathlib import PurePosixPath
from typing import Any


def number_to_text(value: object) -> object:
    """Take a whole number as text, so that `PORT: 8080` needs no quotes.

    Returns:
        Text for a whole number; anything else as it came, for `1.20` or `true` would lose their spelling.
    """
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def told_once(value: object) -> object:
    """Refuse a mount's source that is written twice in different ways, such as `data` and `./data`."""
    names = [str(PurePosixPath(str(name))) for name in value] if isinstance(value, dict) else []
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f'"./{twice}" is named twice — remove one')
    return value


def one_or_many(value: object) -> object:
    """Take one entry as a list of one."""
    return value if isinstance(value, list | tuple) else [value]


def refuse_shell(value: object) -> object:
    """Refuse a command written as one line: no shell will split it.

    Raises:
        ValueError: It is text; the message shows the list to write.
    """
    if not isinstance(value, str):
        return value
    try:
        words = shlex.split(value)
    except ValueError:
        words = []
    raise ValueError(f"a command is a list of words — write {json.dumps(words or ['program', 'argument'])}")


def program_first(value: tuple[str, ...]) -> tuple[str, ...]:
    """Check that a command begins with a program, not with an option or nothing."""
    if value and (not value[0] or value[0].startswith("-")):
        raise ValueError("the first word of a command is its program")
    return value


def distinct(value: tuple[str, ...]) -> tuple[str, ...]:
    """Check that no entry is there twice."""
    for entry in value:
        if value.count(entry) > 1:
            raise ValueError(f"{json.dumps(entry)} is listed twice — remove one")
    return value


def mapping(value: object) -> dict[str, Any]:
    """Return a mapping as it is, and nothing in the place of anything else."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    """Return a list as it is, one entry as a list of one, and nothing for none."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
