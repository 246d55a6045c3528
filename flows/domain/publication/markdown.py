"""Text from outside in the Markdown of GitHub's comments, releases and pull requests."""

from __future__ import annotations

import re

from flows.domain.words.text import escape

# What GitHub acts on after the Markdown is read, where no backslash helps: mentions, references, addresses.
_ACTED_ON = re.compile(r"@|(?<!&)#(?=\d)|\bGH-(?=\d)|:(?=\\?//)", re.IGNORECASE)
_NOTHING = "<!-- -->"
_ADDRESS = re.compile(r"https?://[^\s<>()\[\]|`\\]+")


def inline(text: str, limit: int = 120) -> str:
    """Return text as inline Markdown that shows itself and does nothing: nobody is told, nothing is closed.

    GitHub links `@ana` and `#7` after it has read the Markdown, so that a backslash before them does not count; an
    empty comment between does.
    """
    return _ACTED_ON.sub(rf"\g<0>{_NOTHING}", escape(text, limit))


def link(text: str, address: str) -> str:
    """Return a link.

    Args:
        address: Where it leads; what is no plain http(s) address is left out.
    """
    return f"[{text}]({address})" if _ADDRESS.fullmatch(address) else text


def bounded(lines: list[str], limit: int) -> str:
    """Put lines together as long as they fit."""
    more = "\n… the rest is left out: GitHub takes no more.\n"
    text = "\n".join(lines) + "\n"
    if len(text) <= limit:
        return text
    kept: list[str] = []
    left = limit - len(more)
    for line in lines:
        left -= len(line) + 1
        if left < 0:
            break
        kept.append(line)
    return "\n".join(kept) + more
