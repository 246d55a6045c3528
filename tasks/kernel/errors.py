"""The errors of steps. The class says whether another try helps; the message says what to do.

```text
SluiceError
├── TransientError      another try may cure it: retried by the task
└── TerminalError       no retry helps
    ├── RefusedError    a gate, the policy or the preflight said no; nothing was touched
    └── FencedError     the lease was lost; this run must change nothing more
```
"""

from __future__ import annotations


class SluiceError(Exception):
    """Something a user reads in one line: what failed, where, and what to do next.

    Args:
        detail: Further lines (the tail of a command's output), redacted; shown in logs, not in the line.
    """

    def __init__(self, what: str, todo: str = "", detail: str = "") -> None:
        # A program's own words may come with line breaks.
        self.what = " ".join(what.split())
        self.todo = todo
        self.detail = detail
        super().__init__(f"{self.what} — {todo}" if todo else self.what)

    def __reduce__(self) -> tuple[type[SluiceError], tuple[str, str, str]]:
        return (type(self), (self.what, self.todo, self.detail))


class TransientError(SluiceError):
    """Another try may cure it: a dropped connection, a busy registry, a 5xx."""


class TerminalError(SluiceError):
    """No retry helps: bad input, a refused login, a failed migration."""


class RefusedError(TerminalError):
    """A gate, the policy or the preflight said no. Nothing was touched."""


class FencedError(TerminalError):
    """The lease was lost to another promotion. This run must change nothing more."""


def unexpected(error: Exception) -> TerminalError:
    """Return what a user reads about an error that nobody expected."""
    return TerminalError(f"unexpected {type(error).__name__}: {error}", "report this bug in Sluice")
