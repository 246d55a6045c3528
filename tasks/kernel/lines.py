"""PURE: what a program printed, taken apart into its lines."""

from __future__ import annotations


def lines(text: str) -> list[str]:
    """Return the lines of what a program printed.

    Only a line feed ends one: `str.splitlines` also ends one at characters that names of branches, files and tables and
    a commit's subject may hold, such as U+2028.
    """
    return text.removesuffix("\n").split("\n") if text else []
