"""Text from outside in what is written on GitHub: it names nobody, closes nothing and links to nothing."""

from __future__ import annotations

import re

from flows.domain.words.text import one_line

_BACKTICKS = re.compile(r"`+")
# GitHub refuses titles longer than 256 characters, and texts longer than 65,536.
LONGEST_TITLE = 250
LONGEST_BODY = 60_000


def span(text: str, limit: int = 120) -> str:
    """Return text as a code span that nothing inside can end.

    A backslash does not keep GitHub from calling somebody by `@name`, or from closing an issue by `fixes #1`: it looks
    for them after Markdown was read. Inside of code it does not look.
    """
    line = one_line(text, limit)
    if not line:
        return ""
    fence = "`" * (max([0, *map(len, _BACKTICKS.findall(line))]) + 1)
    edge = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{edge}{line}{edge}{fence}"


def title_of(text: str) -> str:
    """Return a pull request's title: one line, not too long."""
    return one_line(text, LONGEST_TITLE)


def body_of(*paragraphs: str) -> str:
    """Return a pull request's text.

    Args:
        paragraphs: Safe Markdown; empty ones are left out.
    """
    return "\n\n".join(one for one in paragraphs if one)[:LONGEST_BODY]
