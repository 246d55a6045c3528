"""Pull requests for the tests of what is decided about them."""

from __future__ import annotations

from typing import Any

from blocks.values.pull_requests import ChangedFile, PullContent, PullFact, Push

HEAD = "a" * 40


def pull(number: int = 7, **given: Any) -> PullFact:
    """Return an open pull request of ana's into staging, with one commit and one file."""
    plain: dict[str, Any] = {
        "number": number,
        "node_id": f"PR_{number}",
        "author": "ana",
        "title": "Prices in cents",
        "head": HEAD,
        "head_branch": "feature/cents",
        "head_repository": "acme/shop",
        "base": "staging",
        "open": True,
        "commits": 1,
        "changed_files": 1,
        "link": f"https://github.com/acme/shop/pull/{number}",
    }
    return PullFact(**plain | given)


def content(*paths: str, authors: tuple[str, ...] = ("ana",), **given: Any) -> PullContent:
    """Return what is in a pull request that changes some files; `old → new` is a renamed one."""
    sides = [path.split(" → ") for path in paths or ("docs/a.md",)]
    files = tuple(
        ChangedFile(path=side[-1], previous_path=side[0] if len(side) > 1 else "") for side in sides
    )
    plain: dict[str, Any] = {
        "pull": pull(commits=len(authors), changed_files=len(files)),
        "authors": authors,
        "files": files,
        "pushes": (Push(sender="Ana", sha=HEAD),),
        "required_checks": 1,
    }
    return PullContent(**plain | given)
