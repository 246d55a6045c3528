"""What the ledger says about rules on GitHub, as values for tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.base import Value
from deployments.reports.views import Drifted, standing_drift
from flows.domain.rules.view import GITHUB, standing_line

if TYPE_CHECKING:
    from tasks.ledger.store import Ledger


class RulesStatus(Value):
    """How the rules of one pipeline's repository on GitHub stand: what is not in force, and what was relaxed."""

    pipeline: str
    drift: tuple[Drifted, ...]
    relaxed: tuple[str, ...]


def rules_status(ledger: Ledger, only: str | None = None) -> list[RulesStatus]:
    """Put together what the ledger says about rules on GitHub, for each pipeline of which there is something to say."""
    standing = ledger.relaxations.standing()
    names = {one.pipeline for one in standing} | set(ledger.drift.pipelines(GITHUB))
    return [
        RulesStatus(
            pipeline=name,
            drift=standing_drift(ledger, name, GITHUB),
            relaxed=tuple(standing_line(one) for one in standing if one.pipeline == name),
        )
        for name in sorted(names)
        if only in {None, name}
    ]
