"""Which deliveries have pull requests looked after: decided beside what they promote."""

from __future__ import annotations

from collections.abc import Iterable

from blocks.pipeline.model import Pipeline
from blocks.pipeline.pull_requests import PullRequests
from blocks.values.base import Value
from blocks.values.deliveries import MISSED, PULL_REQUESTS, Errand, Start
from flows.domain.pull_requests.open import rules_for
from flows.domain.triggers.decide import DeliveryDecision, Known
from flows.domain.triggers.events import BRANCHES, Event, same_name
from flows.domain.words.text import one_line


class Tending(Value):
    """What decides whether a delivery has pull requests looked after. Read from the default branch.

    Attributes:
        bots: Logins that are no people in any of its environments.
    """

    section: PullRequests = PullRequests()
    bots: tuple[str, ...] = ()

    @property
    def opened(self) -> tuple[str, ...]:
        """Patterns of branches that get a pull request when they are pushed."""
        return tuple(pattern for rule in self.section.open for pattern in rule.branches)


def tending_of(pipeline: Pipeline) -> Tending:
    """Return what a pipeline asks for."""
    bots = (login for one in pipeline.environments.values() for login in one.triggers.bots)
    return Tending(section=pipeline.pull_requests, bots=tuple(dict.fromkeys(bots)))


def with_tending(
    decision: DeliveryDecision, event: Event, tending: Tending, known: Known
) -> DeliveryDecision:
    """Add to what a delivery starts that pull requests are looked after, where the pipeline asks for it."""
    branch = event.ref.removeprefix(BRANCHES)
    if decision.outcome == "wait" or not _asks(event, branch, tending):
        return decision
    if not known.has_commit:
        return DeliveryDecision(outcome="wait", reason=f"commit {event.sha[:7]} is not in the repository yet")
    if known.refs.get(event.ref) != event.sha:
        # The push that moved it on has a delivery of its own.
        return decision
    start = Start(
        environment=PULL_REQUESTS,
        kind=Errand.TEND,
        ref=branch,
        branch=branch,
        sha=event.sha,
        by_commit=False,
        # Of a push that GitHub did not deliver nobody told whose it was.
        requested_by="" if event.name == MISSED else event.sender,
    )
    reason = f"pull requests of {one_line(branch)}"
    if decision.outcome == "start":
        reason = f"{decision.reason}; {reason}"
    return DeliveryDecision(outcome="start", reason=reason, starts=(*decision.starts, start))


def _asks(event: Event, branch: str, tending: Tending) -> bool:
    if event.refusal or event.bot or not event.ref.startswith(BRANCHES):
        return False
    if _named(event.sender, tending.bots):
        return False
    if event.means == "push":
        return bool(rules_for(branch, tending.section.open))
    return event.means in {"pull_request", "ready"} and any(
        rule.into in event.bases for rule in tending.section.auto_merge
    )


def _named(login: str, names: Iterable[str]) -> bool:
    return any(same_name(login, name) for name in names)
