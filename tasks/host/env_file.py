"""Env files as compose reads them: `KEY=value` lines with quotes, comments and `export`."""

from __future__ import annotations

import re

from tasks.kernel.errors import TerminalError

_LINE = re.compile(
    r"(?:export[ \t]+)?(?P<key>[A-Za-z_][A-Za-z0-9_.-]*)[ \t]*(?:[=:][ \t]*(?P<value>.*))?\Z", re.DOTALL
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "$": "$", "'": "'"}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
# An unquoted value ends where a comment begins: for compose at a `#` after a space, and nowhere else, so that
# `A= # note` has the value `# note`.
_COMMENT = " #"
_OPTIONAL = re.compile(r"[^#]*+#.*\boptional\b", re.IGNORECASE)


def parse_env(text: str) -> dict[str, str]:
    """Read an env file.

    Variables inside values (`${OTHER}`) are left as they are written. A key without `=` is taken from the
    environment by compose, so it counts as a key with an empty value.

    Returns:
        Key → value, in the order of the file; of a repeated key the last one.

    Raises:
        TerminalError: A line cannot be read. The message has its number, never its text.
    """
    return {key: value for key, value, _ in _entries(text)}


def required_keys(example: str) -> tuple[str, ...]:
    """Return the keys an example env file asks for.

    Args:
        example: The text of `.env.example`. A key whose line ends with a comment that says `optional` is not
            required, nor is one that is commented out.
    """
    return tuple(sorted({key for key, _, comment in _entries(example) if not _OPTIONAL.match(comment)}))


def _entries(text: str) -> list[tuple[str, str, str]]:
    found = []
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    number = 0
    while number < len(lines):
        # The end stays: a value whose quote is closed on a later line has its spaces there.
        line = lines[number].lstrip()
        if line and not line.startswith("#"):
            match = _LINE.match(line)
            if match is None:
                raise _unreadable(number + 1, "a line `KEY=value` was expected")
            value, comment, number = _value(match["value"] or "", lines, number)
            found.append((match["key"], value, comment))
        number += 1
    return found


def _value(start: str, lines: list[str], number: int) -> tuple[str, str, int]:
    """Read a value that may go on over several lines; return it, what follows it, and its last line."""
    quote = start[:1]
    if quote not in {'"', "'"}:
        bare = start.partition(_COMMENT)[0]
        # Whoever writes `A= # optional` into an example means the comment that compose does not see.
        comment = start if start.startswith("#") else start[len(bare) :]
        return bare.strip(), comment, number
    first = number
    whole, last = [], start[1:]
    # Each line is looked through once: a line's end takes what a backslash before it would escape.
    while (end := _closing(last, quote)) is None:
        number += 1
        if number == len(lines):
            raise _unreadable(first + 1, "its quote is not closed")
        whole.append(last)
        last = lines[number]
    inner, rest = "\n".join([*whole, last[:end]]), last[end + 1 :].strip()
    if rest and not rest.startswith("#"):
        raise _unreadable(number + 1, "something follows the closing quote")
    return (_unescaped(inner) if quote == '"' else inner), rest, number


def _closing(body: str, quote: str) -> int | None:
    escaped = False
    for index, character in enumerate(body):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = quote == '"' or body[index + 1 : index + 2] == "'"
        elif character == quote:
            return index
    return None


def _unescaped(inner: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[0]), inner)


def _unreadable(number: int, expected: str) -> TerminalError:
    return TerminalError(f"line {number} of the env file cannot be read: {expected}", "correct that line")
