"""The gates of `gates:` together: which there are, what they need, and when to look again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from blocks.pipeline.gates import Gates
from blocks.values.base import Value
from blocks.values.github import GitHubFacts, RequiredCheck
from blocks.values.plans import GateAnswer
from flows.domain.gates.answer import opened
from flows.domain.gates.github import (
    CHECKS,
    PROTECTION,
    REVIEWS,
    checks_green,
    protected,
    reviewed,
    unreadable,
)
from flows.domain.gates.schedule import Arrival, not_frozen, soaked
from flows.domain.gates.versions import reachable, version_newer
from flows.domain.words.durations import human_duration
from flows.domain.words.refs import RefFacts
from flows.domain.words.text import one_line


class Unread(Value):
    """Why GitHub could not be read.

    Attributes:
        curable: True where another look may help.
    """

    reason: str
    curable: bool


class EntryFacts(Value):
    """Everything these gates look at.

    Attributes:
        freeze_override: Why a freeze is overridden; empty without.
        approvers: How many people may approve; 0 where nobody is asked.
    """

    gates: Gates
    ref: RefFacts
    release_id: str
    now: datetime
    waited_seconds: float = 0.0
    github: GitHubFacts | None = None
    unread: Unread | None = None
    running: str | None = None
    running_tags: tuple[str, ...] = ()
    upstream: str | None = None
    arrivals: tuple[Arrival, ...] = ()
    freeze_override: str = ""
    approvers: int = 0


def entry_answers(facts: EntryFacts) -> tuple[GateAnswer, ...]:
    """Ask every gate of `gates:`, also after one has said no.

    What runs in the environment already was let in before: nothing new enters, and no gate is asked.
    """
    if facts.running == facts.release_id:
        return ()
    return (*_of_github(facts), *_of_refs(facts), *_of_the_clock(facts), *_of_people(facts))


def _of_github(facts: EntryFacts) -> Iterator[GateAnswer]:
    gates, github = facts.gates, facts.github or GitHubFacts()
    sha, link = facts.ref.sha, github.link
    unread = facts.unread or Unread(reason="GitHub was not read", curable=False)
    not_asked = partial(unreadable, reason=unread.reason, waiting=unread.curable, link=link)
    if gates.checks or gates.branch_checks:
        if github.checks is None or (gates.branch_checks and github.protection is None):
            yield not_asked(CHECKS)
        else:
            required = required_checks(gates, github)
            yield checks_green(required, github.checks, waited_seconds=facts.waited_seconds, link=link)
    if gates.reviews:
        yield (
            not_asked(REVIEWS)
            if github.pulls is None
            else reviewed(github.pulls, sha, gates.reviews, link=link)
        )
    if gates.protection:
        yield not_asked(PROTECTION) if github.protection is None else protected(github.protection)


def required_checks(gates: Gates, github: GitHubFacts) -> tuple[RequiredCheck, ...]:
    """Return the checks that must be green: those the pipeline names, and those GitHub requires where it counts."""
    named = [RequiredCheck(name=name) for name in gates.checks]
    ruled = github.protection.required if gates.branch_checks and github.protection else ()
    return tuple(dict.fromkeys([*named, *ruled]))


def _of_refs(facts: EntryFacts) -> Iterator[GateAnswer]:
    if facts.gates.version:
        yield version_newer(facts.ref, facts.running_tags, running=facts.running)
    if facts.gates.reachable_from is not None:
        yield reachable(facts.ref, facts.gates.reachable_from)


def _of_the_clock(facts: EntryFacts) -> Iterator[GateAnswer]:
    gates = facts.gates
    if gates.soak and facts.upstream is not None:
        yield soaked(facts.release_id, facts.arrivals, gates.soak, upstream=facts.upstream, now=facts.now)
    if gates.freeze:
        yield not_frozen(
            gates.freeze,
            gates.timezone,
            now=facts.now,
            override=facts.freeze_override,
            override_required=gates.override_required,
            approvers=facts.approvers,
        )


def _of_people(facts: EntryFacts) -> Iterator[GateAnswer]:
    """Say what is ticked: the gate opens with the approvals, which do not count without it."""
    items = facts.gates.checklist
    if items:
        yield opened("checklist", f"each who approves ticks: {'; '.join(one_line(item) for item in items)}")


class GateLook(NamedTuple):
    """What to do with the answers.

    Attributes:
        pause_seconds: How long to wait before looking again; None to go on with the answers as they are.
    """

    pause_seconds: float | None
    answers: tuple[GateAnswer, ...]


def next_look(
    answers: Sequence[GateAnswer], gates: Gates, *, waited_seconds: float, now: datetime
) -> GateLook:
    """Say whether to wait for gates that may open by themselves.

    Nothing is waited for where another gate is closed for good, or where a gate is known to open too late.
    """
    shut = [answer for answer in answers if not answer.passed]
    if not shut or not all(answer.waiting for answer in shut):
        return GateLook(None, tuple(answers))
    left = gates.wait - waited_seconds
    known = [(answer.until - now) / timedelta(seconds=1) for answer in shut if answer.until is not None]
    if left <= 0 or any(seconds > left for seconds in known):
        return GateLook(None, tuple(_in_vain(answer, waited_seconds) for answer in answers))
    # Where every gate says when it opens there is nothing to see before.
    pause = min(max(known), left) if len(known) == len(shut) else min(gates.every, left)
    return GateLook(max(1.0, pause), tuple(answers))


def _in_vain(answer: GateAnswer, waited_seconds: float) -> GateAnswer:
    if answer.passed or not answer.waiting or answer.until is not None:
        return answer
    reason = f"{answer.reason} (not green in time: waited {human_duration(waited_seconds)})"
    return answer.model_copy(update={"reason": reason})
