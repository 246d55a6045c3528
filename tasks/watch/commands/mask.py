"""PURE: what log lines have in common once all that varies is masked, and lines without what is nobody's business."""

from __future__ import annotations

import re

# Longer lines are cut, and it is said.
LONGEST_LINE = 16 * 1024
MASK = "•••"
_LONGEST_TEXT = 240

_ANSI = re.compile(r"\x1b\[[0-9;?]*+[A-Za-z]")

# A signed token (JWT) begins so; what it is made of stands between dots.
_TOKEN = re.compile(r"\beyJ[\w-]{5}")
_DOTTED = re.compile(r"(?<![\w-])[\w-]++(?:\.[\w-]*+)+")


def _hide_token(found: re.Match[str]) -> str:
    text, start = found[0], 0
    while (token := _TOKEN.search(text, start)) is not None:
        dot = text.find(".", token.end())
        if dot < 0:
            break
        if text[dot + 1 : dot + 2] not in {"", "."}:
            return text[: token.start()] + MASK
        start = dot
    return text


# Secrets of the application are unknown here, so they are told by where they stand. The order matters. Whoever writes
# the log chooses the line: repeated characters are not given back (`*+`), and where a run of them may begin anywhere
# only its beginning is tried, so that a line is gone through once. Groups are not repeated so: Python 3.11 has faults
# there.
_SECRETS = (
    (re.compile(r"(?i)\b((?:set-)?cookie)(\s*+:\s*+).*+"), rf"\1\2{MASK}"),
    (re.compile(r"(?i)\b(bearer|basic|digest)\s++[\w.~+/=-]{6,}+"), rf"\1 {MASK}"),
    (_DOTTED, _hide_token),
    (re.compile(r"(?<=[\w+.-]://)[^\s/@]*+@"), rf"{MASK}@"),
    (
        re.compile(
            r"(?i)((?=[pstac\u017f])(?:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?+key|access[_-]?+key"
            r"|private[_-]?+key|credential|authorization|session[_-]?+id|signature)[\w-]{0,60}+[\"']?+\s{0,5}+[:=]\s{0,5}+)"
            r"(?:\"[^\"]*+\"?+|'[^']*+'?+|[^\s,;&)}\]]++)"
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)+"), MASK),
)

# A quote inside a word is an apostrophe.
_VARIES = (
    (re.compile(r"(?<!\w)'[^']*+'(?!\w)"), "'…'"),
    (re.compile(r"(?<!\w)\"[^\"]*+\"(?!\w)"), '"…"'),
    (re.compile(r"`[^`]*+`"), "`…`"),
    (re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "#"),
    (re.compile(r"\b0[xX][0-9a-fA-F]++\b"), "#"),
    # Keys, digests, ids: long words that mix digits and letters.
    (re.compile(r"\b(?=[A-Za-z_-]{0,64}+\d)[\w-]{16,}\b"), "#"),
    (re.compile(r"\b(?=[a-fA-F]{0,12}+\d)[0-9a-fA-F]{7,}+\b"), "#"),
    (re.compile(r"\d++"), "#"),
    # Dates, times, addresses, sizes and lists of numbers.
    (re.compile(r"#(?:[.,:/TZ+-]*+#)+Z?"), "#"),
    (re.compile(r"\s++"), " "),
)


def plain(line: str) -> str:
    """Return a line without colours, cut to `LONGEST_LINE`."""
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

    Returns:
        The text, bounded; masking it again changes nothing.
    """
    for pattern, replacement in _VARIES:
        text = pattern.sub(replacement, text)
    return text.strip()[:_LONGEST_TEXT].strip()
