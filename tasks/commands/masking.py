"""PURE: what log lines have in common once all that varies is masked, and lines without what is nobody's business."""

from __future__ import annotations

import re

LONGEST_LINE = 2000
MASK = "•••"
_LONGEST_TEXT = 240

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

# Secrets of the application are unknown here, so they are told by where they stand. The order matters.
_SECRETS = (
    (re.compile(r"(?i)\b((?:set-)?cookie)(\s*:\s*).*"), rf"\1\2{MASK}"),
    (re.compile(r"(?i)\b(bearer|basic|digest)\s+[\w.~+/=-]{6,}"), rf"\1 {MASK}"),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?"), MASK),
    (re.compile(r"(\b[A-Za-z][\w+.-]{0,30}://)[^\s/@]{0,300}@"), rf"\1{MASK}@"),
    (
        re.compile(
            r"(?i)([\w-]{0,60}(?:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
            r"|credential|authorization|session[_-]?id|signature)[\w-]{0,60}[\"']?\s{0,5}[:=]\s{0,5})"
            r"(?:\"[^\"]*\"?|'[^']*'?|[^\s,;&)}\]]+)"
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"), MASK),
)

# A quote inside a word is an apostrophe.
_VARIES = (
    (re.compile(r"(?<!\w)'[^']*'(?!\w)"), "'…'"),
    (re.compile(r"(?<!\w)\"[^\"]*\"(?!\w)"), '"…"'),
    (re.compile(r"`[^`]*`"), "`…`"),
    (re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "#"),
    (re.compile(r"\b0[xX][0-9a-fA-F]+\b"), "#"),
    # Keys, digests, ids: long words that mix digits and letters.
    (re.compile(r"\b(?=[A-Za-z_-]{0,64}\d)[\w-]{16,}\b"), "#"),
    (re.compile(r"\b(?=[a-fA-F]{0,12}\d)[0-9a-fA-F]{7,}\b"), "#"),
    (re.compile(r"\d+"), "#"),
    # Dates, times, addresses, sizes and lists of numbers.
    (re.compile(r"#(?:[.,:/TZ+-]*#)+Z?"), "#"),
    (re.compile(r"\s+"), " "),
)


def plain(line: str) -> str:
    """Return a line without colours, cut to what is looked at.

    Args:
        line: A line as it was logged.
    """
    return _ANSI.sub("", line[: 2 * LONGEST_LINE])[:LONGEST_LINE].rstrip()


def scrub(line: str) -> str:
    """Return a line without secrets and mail addresses, as far as their place tells them.

    Args:
        line: A line, cut by `plain`.
    """
    for pattern, replacement in _SECRETS:
        line = pattern.sub(replacement, line)
    return line


def mask(text: str) -> str:
    """Return what a line has in common with others of its kind: numbers, ids, times and quoted texts are masked.

    Args:
        text: A line or a message.

    Returns:
        The text, bounded; masking it again changes nothing.
    """
    for pattern, replacement in _VARIES:
        text = pattern.sub(replacement, text)
    return text.strip()[:_LONGEST_TEXT].strip()
