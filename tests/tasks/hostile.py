"""Lines that make a careless pattern slow: what anybody can have an application log."""

from __future__ import annotations

# One of these over and over, behind one of the starts.
PIECES = (
    *"a1 =:/.-_\"'`#{}[]()|\\@%&?+,;~é\u00b2\u0660\u2028\x00\x1b\t",
    "ab",
    "a-",
    "a.",
    "a1",
    "1-",
    "f0",
    "0x1f",
    "1.5 ",
    "12:",
    "'a",
    '"a ',
    '="',
    "a=b&",
    "a@",
    "@a.",
    "://",
    "a://b:",
    "http://a/",
    "token",
    "token_",
    "token ",
    "token=",
    "password: '",
    "api_key-",
    "pwd",
    "eyJ",
    "eyJ-",
    "eyJabcdef.",
    "Bearer ",
    "cookie ",
    "\x1b[1;",
    "\x1b[31mERROR\x1b[0m ",
    "level=",
    '"GET /a',
    '"GET /a?b ',
    "ERROR ",
    "[error]",
    "Error",
    "a.Error",
    '{"level": ',
    '{"a":',
    "[",
    "Traceback (most recent call last): ",
    ", client: ",
    "🦊",
)
# What makes a line one of a format, so that more of it is read.
STARTS = ('{"level": "error", "msg": "', '"GET /', "x=")
_FOLDERS = "assets/v1/images_large-0a1b2c3d/" * 5
URL = f"2026-11-26 06:00:00 INFO fetched https://cdn.example.com/{_FOLDERS}x.png?width=1"


def hostile(length: int, *starts: str) -> list[str]:
    """Return every such line, of about a length."""
    return [
        start + (piece * (length // len(piece) + 1))[:length] for piece in PIECES for start in starts or ("",)
    ]
