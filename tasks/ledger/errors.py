"""What the ledger refuses, beyond a database that does not answer."""

# ruff: noqa: N818 - the names say what happened, as people are told it

from __future__ import annotations

from tasks.kernel.errors import TerminalError, TransientError


class Conflict(TerminalError):
    """The database refused a row: it would break a unique or foreign key."""


class IllegalTransition(TerminalError):
    """A promotion may not go from the status it has to the one asked for."""


class ActivePromotion(TerminalError):
    """Another promotion is changing this environment; the message names it."""


class CodeUsed(TerminalError):
    """This approver's one-time code was used before."""


class LeaseHeld(TransientError):
    """Another promotion holds the environment's lease; the message names it and says until when."""
