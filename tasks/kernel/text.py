"""PURE: text from outside on one printable line, and sizes as people say them."""

from __future__ import annotations

import unicodedata

# Control and format characters (bidirectional overrides among them), surrogates, private use, separators.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_REPLACEMENT = "\ufffd"
_STEP = 1000


def printable(text: str) -> str:
    """Replace what a terminal or browser would act on instead of showing, and keep the rest.

    Args:
        text: Any text on one line.

    Returns:
        The text with control, format and private characters as U+FFFD.
    """
    return "".join(_REPLACEMENT if unicodedata.category(char) in _UNPRINTABLE else char for char in text)


def one_line(text: str, limit: int = 120) -> str:
    """Bring any text onto one printable line of bounded length.

    Args:
        limit: The most characters returned, at least 1.

    Returns:
        The line, ended by `…` where it was cut; newlines and tabs are spaces.
    """
    # Cut first, so that a megabyte of text costs nothing.
    line = printable(" ".join(text[: limit * 4].split()))
    return line if len(line) <= limit and len(text) <= limit * 4 else f"{line[: limit - 1]}…"


def human_bytes(count: int) -> str:
    """Say a size in decimal units.

    Args:
        count: Bytes.

    Returns:
        For example `512 B`, `1.5 kB`, `102 MB`.
    """
    if count < _STEP:
        return f"{count} B"
    size = float(count)
    for unit in ("kB", "MB", "GB"):
        size /= _STEP
        if size < _STEP:
            return f"{size:.1f} {unit}" if size < 10 else f"{size:.0f} {unit}"  # noqa: PLR2004
    return f"{size / _STEP:.1f} TB"
