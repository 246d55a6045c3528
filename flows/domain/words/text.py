"""Text from outside (commit subjects, branch names, answers) made safe to show to people."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tasks.kernel.text import one_line, printable

# `one_line` and `printable` are further down: steps need them too.
__all__ = ["code", "escape", "fenced", "one_line", "printable", "table"]

# Characters that mean something to HTML; to Markdown, GitHub's tables, maths or Jinja; and those that only do so in
# places: at a word's edge, in an address, at the beginning.
_HTML = re.compile(r"[&<>]")
_MARKUP = re.compile(
    r"[`*~\[\]{}|\\$@^]|(?<![^\W_])_|_(?![^\W_])|(?<=http|ttps|ilto|xmpp):|(?<=ftp):|^#|(?<=\{)[%#]",
    re.IGNORECASE,
)
_LIST_MARK = re.compile(r"^(\d+)([.)])")
_BARE_WWW = re.compile(r"(?i)(www)\.")
_JINJA_OPENER = re.compile(r"\{(?=[{%#])")
_BACKTICKS = re.compile(r"`+")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/@+=-]*")
_LONGEST_CODE = 120


def escape(text: str, limit: int = 120) -> str:
    """Return text as inline Markdown that shows exactly itself, also in a table cell.

    Backslashes are used where they suffice: Prefect's first UI shows character references in tables as they
    are written. What only means something in places is escaped there, so that most text stays readable.
    """
    line = _MARKUP.sub(r"\\\g<0>", one_line(text, limit))
    line = _HTML.sub(lambda match: f"&#{ord(match[0])};", line)
    line = _BARE_WWW.sub(r"\1\.", line)
    line = _LIST_MARK.sub(r"\1\\\2", line)
    return f"\\{line}" if line[:1] in {"-", "+", "="} else line


def code(text: str) -> str:
    """Return text as a code span where it is a plain identifier, escaped otherwise."""
    return f"`{text}`" if len(text) <= _LONGEST_CODE and _CODE.fullmatch(text) else escape(text)


def fenced(text: str, language: str = "", *, max_lines: int = 400, max_width: int = 400) -> str:
    """Return text as a fenced block that nothing inside can end.

    Inside a block no character can be escaped, so Jinja's openers get a space (`{ {`), and a line below
    says so.
    """
    lines = text.rstrip("\n").split("\n")
    shown = [_block_line(line, max_width) for line in lines[:max_lines]]
    body = _JINJA_OPENER.sub("{ ", "\n".join(shown))
    fence = "`" * (max([2, *map(len, _BACKTICKS.findall(body))]) + 1)
    notes = _notes(left_out=len(lines) - len(shown), spaced=body != "\n".join(shown))
    return "\n".join([f"{fence}{language}", body, fence, *notes])


def _block_line(line: str, width: int) -> str:
    text = printable(line[:width].replace("\t", "    "))
    return text if len(line) <= width else f"{text}…"


def _notes(*, left_out: int, spaced: bool) -> list[str]:
    notes = [f"{left_out} more lines are not shown."] if left_out else []
    if spaced:
        notes.append("A space was put between the opening braces of templates.")
    return ["", *notes] if notes else []


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table.

    Args:
        head: The column titles, safe Markdown.
        rows: The cells, safe Markdown.
    """
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
