"""What a command line is: a tuple of words, each reaching the program exactly as it is."""

from __future__ import annotations

import re

from tasks.kernel.errors import TerminalError

Argv = tuple[str, ...]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def name(text: str, what: str) -> str:
    """Return a name that no program takes for an option."""
    if not _NAME.match(text):
        raise TerminalError(
            f"{text!r} cannot be the name of a {what}", "use letters, digits, dots, dashes, underscores"
        )
    return text


def variable(text: str) -> str:
    """Return the name of an environment variable."""
    if not _VARIABLE.match(text):
        raise TerminalError(
            f"{text!r} cannot be the name of an environment variable", "use letters, digits, underscores"
        )
    return text
