"""PostgreSQL's own parser, guarded against texts it would read wrongly or die of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pglast import ast, parse_sql
from pglast.error import Error
from pglast.parser import Token, scan

from tasks.database.engine.protocols import UnreadableSqlError
from tasks.kernel.text import one_line

# The parser's tree becomes Python objects by recursion in C: 15,000 additions in a row are read, 25,000 end the
# process. A shorter text cannot nest so deep.
MAX_OPERATORS = 5_000
_SHORT = 2 * MAX_OPERATORS
_SHOWN = 200
_OPERATORS = frozenset(
    {"Op", "AND", "OR", "NOT", "TYPECAST", "UNION", "JOIN", "COLLATE", "IS", "LIKE", "CASE"}
)
# The scanner reads what may belong to an operator or begin a comment again at each of these characters, and finds the
# place of each statement among the characters beyond ASCII by going through them: both with the second power, and
# nothing else of this process runs meanwhile.
_OPERATOR_RUN = re.compile(r"(?<![~!@#^&|`?+*/%<>=-])[~!@#^&|`?+*/%<>=-]{2001}")
_MOST_STEPS = 2_000_000_000
_BEYOND, _TAG_BEYOND = re.compile(r"[^\x00-\x7f]"), re.compile(r"\$[A-Za-z0-9_]*+[^\x00-\x7f]")
_COMMENTS = re.compile(r"\A(?:\s+|--[^\n]*(?:\n|\Z)|/\*(?:[^*]|\*(?!/))*\*/)+")


@dataclass(frozen=True)
class Statement:
    """One parsed statement.

    Attributes:
        text: Its text without leading comments, on one line, cut to 200 characters.
        first_line: The line it begins on, counted within the text from 0.
        last_line: The line it ends on.
    """

    node: Any
    text: str
    first_line: int
    last_line: int


def read_tokens(text: str) -> list[Token]:
    """Return a text's tokens, comments among them.

    Raises:
        UnreadableSqlError: The text ends inside of a string, or has characters the parser cannot take.
    """
    _refuse_characters(text)
    try:
        return scan(_in_ascii(text))
    except Error as error:
        raise UnreadableSqlError(_reason(error)) from error


def read_statements(text: str) -> tuple[Statement, ...]:
    """Parse SQL text.

    Raises:
        UnreadableSqlError: PostgreSQL would not take it, or it nests too deep to be read safely.
    """
    _refuse_characters(text)
    _refuse_depth(text)
    try:
        raws = parse_sql(text)
    except Error as error:
        raise UnreadableSqlError(_reason(error)) from error
    return tuple(_located(text, raws))


def _located(text: str, raws: tuple[ast.RawStmt, ...]) -> Iterator[Statement]:
    line, seen = 0, 0
    for raw in raws:
        start, length = raw.stmt_location or 0, raw.stmt_len or 0
        end = start + length if length else len(text)
        comments = _COMMENTS.match(text[start:end])
        start += comments.end() if comments else 0
        line += text.count("\n", seen, start)
        seen = start
        last = line + text.count("\n", start, end)
        yield Statement(raw.stmt, one_line(text[start:end], _SHOWN), line, last)


def _refuse_characters(text: str) -> None:
    # The parser stops at a NUL as at the end: what stands behind it would go unseen.
    if "\0" in text:
        raise UnreadableSqlError("it has a NUL character")
    try:
        beyond = len(text.encode()) - len(text)
    except UnicodeEncodeError:
        raise UnreadableSqlError("it has characters that are not text") from None
    if _OPERATOR_RUN.search(text):
        raise UnreadableSqlError("it has more than 2000 characters of operators in a row")
    if beyond * (len(text) if _TAG_BEYOND.search(text) else text.count(";")) > _MOST_STEPS:
        raise UnreadableSqlError("it has too many statements for its many characters beyond ASCII")


def _in_ascii(text: str) -> str:
    """Return a text whose tokens are at the same places: all beyond ASCII counts as a letter.

    The tags around `$é$ … $è$ … $é$` have to differ, so that such a text stays as it is.
    """
    return text if _TAG_BEYOND.search(text) else _BEYOND.sub("z", text)


def _refuse_depth(text: str) -> None:
    if len(text) <= _SHORT:
        return
    operators = 0
    for token in read_tokens(text):
        if token.name == "ASCII_59":
            operators = 0
        elif token.name in _OPERATORS or (token.name.startswith("ASCII_") and token.name not in _FLAT):
            operators += 1
            if operators > MAX_OPERATORS:
                raise UnreadableSqlError(f"a statement has more than {MAX_OPERATORS} operators")


# Parentheses, commas, points and brackets: lists are no nesting, and the grammar itself bounds parentheses.
_FLAT = frozenset(f"ASCII_{ord(char)}" for char in "(),.[]")


def _reason(error: Error) -> str:
    return one_line(str(error), 160)
