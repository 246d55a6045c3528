"""A promotion's work: what it knows before it decides, and what is to be changed then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.domain.promotion.plan import must_migrate
from flows.promotion.change import Change, manifests_of
from flows.runs.conduct import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.values.facts import HostFacts
    from blocks.values.plans import Plan
    from blocks.values.releases import Release
    from blocks.values.resolved import Resolved
    from flows.promotion.bundle import Bundle
    from flows.promotion.change import DoneEarly
    from tasks.images.sources import Sources
    from tasks.steps.run import Run


@dataclass(frozen=True)
class Work:
    """What a promotion knows before it decides.

    Attributes:
        run: Its live side.
        request: What was asked for.
        resolved: The commit.
        release: The release.
        sources: Its files.
        hosts: The hosts' facts.
    """

    run: Run
    request: Request
    resolved: Resolved
    release: Release
    sources: Sources
    hosts: Mapping[str, HostFacts]


def change_of(work: Work, plan: Plan, bundle: Bundle, *, done_early: DoneEarly | None = None) -> Change:
    """Put together what is to be changed.

    Args:
        plan: The plan that was approved.
        bundle: What the hosts get of the release.
        done_early: What was done on the first host a moment ago, under this very lease; None for nothing.
    """
    migration, rules = work.run.description.migration, work.run.policy.database
    migrates = (
        migration is not None
        and not migration.at_boot
        and must_migrate(plan, work.release.revisions, only_upgrades=migration.only_upgrades)
    )
    return Change(
        release=work.release,
        manifests=manifests_of(work.run, work.release, bundle, work.hosts),
        bundle=bundle,
        hosts=work.hosts,
        backup=plan.backup,
        migrates=migrates,
        checkout=work.sources.source,
        drills=(rules.drill or rules.rehearse)
        and (migrates or (migration is not None and migration.at_boot)),
        ready=done_early,
    )
