"""The two answers a gate can give."""

from __future__ import annotations

from blocks.values.plans import GateAnswer


def opened(gate: str, reason: str, link: str = "") -> GateAnswer:
    """Return the answer of a gate that lets the release in."""
    return GateAnswer(gate=gate, passed=True, reason=reason, link=link)


def closed(gate: str, reason: str, link: str = "", *, waiting: bool = False) -> GateAnswer:
    """Return the answer of a gate that does not let it in; it waits where another look may help."""
    return GateAnswer(gate=gate, passed=False, reason=reason, waiting=waiting, link=link)
