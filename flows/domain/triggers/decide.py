"""What an event starts: decided from the pipeline's triggers, and from what git and the ledger know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from blocks.pipeline.model import Pipeline
from blocks.pipeline.triggers import Triggers
from blocks.values.base import Value
from blocks.values.deliveries import Errand, Start
from blocks.values.lifecycle import Kind
from flows.domain.publication.changelog import CHANGELOG
from flows.domain.triggers.comments import comment_starts
from flows.domain.triggers.events import BRANCHES, TAGS, Event, same_name
from flows.domain.words.refs import matches
from flows.domain.words.text import one_line
from flows.domain.words.versions import version_of

Outcome = Literal["start", "ignore", "fold", "wait"]
_SHORT = 7
CHECKS = frozenset({"workflow_run", "check_suite"})


class TriggerRule(Value):
    """What may start a run in one environment. Read from the default branch."""

    environment: str
    branches: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    triggers: Triggers = Triggers()
    reviews: bool = False


class Known(Value):
    """What git and the ledger know when an event is decided.

    Attributes:
        refs: Where the repository's branches and tags are: `refs/…` → commit.
        has_commit: Whether the mirror has the event's commit at all.
        latest: Environment → the commit of the last promotion that an event of a commit started.
        merged: The merges that made the event's commit, as far as the ledger knows.
        again: A person replays the delivery: that its commit was started before is no reason not to.
    """

    refs: dict[str, str] = {}
    has_commit: bool = True
    latest: dict[str, str] = {}
    pushed_by: tuple[Event, ...] = ()
    merged: tuple[Event, ...] = ()
    request: Event | None = None
    again: bool = False


class DeliveryDecision(Value):
    """What becomes of a delivery."""

    outcome: Outcome
    reason: str
    starts: tuple[Start, ...] = ()


def rules_of(pipeline: Pipeline) -> tuple[TriggerRule, ...]:
    """Return what may start a run in each environment of a pipeline."""
    return tuple(
        TriggerRule(
            environment=name,
            branches=one.branches,
            tags=one.tags,
            triggers=one.triggers,
            reviews=one.approvals is not None and one.approvals.reviews,
        )
        for name, one in pipeline.environments.items()
    )


def decide(event: Event, rules: Sequence[TriggerRule], known: Known) -> DeliveryDecision:
    """Decide what an event starts.

    Returns:
        The decision. That a branch has moved on since is no error: its newest push counts.
    """
    nobody = event.bot and not event.author and not (event.means in CHECKS and known.merged)
    refusal = event.refusal or (f"{one_line(event.sender)} is a bot" if nobody else "")
    if refusal:
        return _nothing("ignore", refusal)
    if event.means == "comment":
        return _of_comment(event, rules, known)
    if event.means == "review":
        return _of_review(event, rules)
    answers = [_answer(event, rule, known) for rule in rules if event.means in _events(rule, event)]
    if not answers:
        return _nothing("ignore", f"no environment has a trigger for {event.means}")
    starts = tuple(start for one in answers for start in one.starts)
    reasons = "; ".join(dict.fromkeys(one.reason for one in answers if bool(one.starts) == bool(starts)))
    for outcome in ("wait", "start", "fold"):
        if any(one.outcome == outcome for one in answers):
            return DeliveryDecision(
                outcome=outcome, reason=reasons, starts=() if outcome == "wait" else starts
            )
    return _nothing("ignore", reasons)


def _nothing(outcome: Outcome, reason: str) -> DeliveryDecision:
    return DeliveryDecision(outcome=outcome, reason=reason)


def superseded(pending: Iterable[tuple[int, Start]], starts: Sequence[Start]) -> tuple[int, ...]:
    """Return which pending starts newer ones take the place of: the same branch going to the same environment."""
    places = {(one.environment, one.kind, one.branch) for one in starts if one.branch}
    return tuple(row for row, one in pending if (one.environment, one.kind, one.branch) in places)


def _events(rule: TriggerRule, event: Event) -> Iterable[str]:
    """Return what an environment listens to; an event that GitHub failed to deliver is a push of whatever starts it."""
    events = {*rule.triggers.events}
    if event.name == "missed":
        return events & {"push", "tag"}
    # The push of such a merge is the bot's and starts nothing, so the merge stands for it.
    by_bot = event.means == "merge" and _is_bot(event, rule)
    return events | {"merge"} if by_bot and "push" in events else events


def _of_comment(event: Event, rules: Sequence[TriggerRule], known: Known) -> DeliveryDecision:
    allowed = {rule.environment: rule.triggers.comments for rule in rules}
    start, reason = comment_starts(event, allowed, known.request)
    if start is None:
        return _nothing("ignore", reason)
    return DeliveryDecision(outcome="start", reason=reason, starts=(start,))


def _of_review(event: Event, rules: Sequence[TriggerRule]) -> DeliveryDecision:
    """Have the environments looked at whose plans a review names. It promotes nothing by itself."""
    asking = [rule.environment for rule in rules if rule.reviews and rule.environment in event.answers]
    if not asking:
        return _nothing("ignore", "reviews cannot answer plans there")
    starts = tuple(Start(environment=name, kind=Errand.LOOK, by_commit=False) for name in asking)
    return DeliveryDecision(outcome="start", reason=f"review for {', '.join(asking)}", starts=starts)


def _answer(event: Event, rule: TriggerRule, known: Known) -> DeliveryDecision:
    refusal = _not_from(event, rule, known) or _not_by(event, rule)
    if refusal:
        return _nothing("ignore", f"{rule.environment}: {refusal}")
    ref, refusal = _entering(event, rule, known)
    if refusal:
        return _nothing("ignore", f"{rule.environment}: {refusal}")
    return _at(event, rule, known, ref)


def _not_from(event: Event, rule: TriggerRule, known: Known) -> str:
    # What a bot merged for a person is that person's, and so are the checks of it.
    for_person = any(_person(one, rule) for one in _brought_by(event, known))
    for one in [event, *(known.pushed_by if event.means in CHECKS else [])]:
        if _is_bot(one, rule) and not for_person:
            return f"{one_line(one.sender)} is a bot"
    if event.means == "check_suite" and not known.pushed_by:
        return "no delivery says who pushed the commit: let the webhook send pushes too"
    return ""


def _brought_by(event: Event, known: Known) -> tuple[Event, ...]:
    """Return what brought the commit to its branch, as far as it is told; a merge into another branch did not."""
    if event.means not in CHECKS:
        return (event,)
    return tuple(one for one in known.merged if one.ref in {event.ref, f"{BRANCHES}{event.ref}"})


def _is_bot(event: Event, rule: TriggerRule) -> bool:
    return event.bot or _listed(event.sender, rule)


def _asker(event: Event, rule: TriggerRule, known: Known) -> str:
    people = (_person(one, rule) for one in (event, *_brought_by(event, known)))
    return next(filter(None, people), event.sender)


def _listed(login: str, rule: TriggerRule) -> bool:
    return any(same_name(login, bot) for bot in rule.triggers.bots)


def _person(event: Event, rule: TriggerRule) -> str:
    """Return the person an event is of: who caused it, or whose pull request a bot merged; empty for none."""
    if not _is_bot(event, rule):
        return event.sender
    return event.author if event.author and not _listed(event.author, rule) else ""


def _not_by(event: Event, rule: TriggerRule) -> str:
    """Say why these checks do not count; empty where they do, or it is not about checks."""
    wanted = {"workflow_run": rule.triggers.workflows, "check_suite": rule.triggers.apps}.get(event.means)
    if wanted is None or any(same_name(one, name) for one in event.producers for name in wanted):
        return ""
    return f"{one_line(event.producers[0]) if event.producers else 'nothing'} is not what it waits for"


def _entering(event: Event, rule: TriggerRule, known: Known) -> tuple[str, str]:
    refusal = ""
    for ref in _full(event.ref, known):
        if ref.startswith(BRANCHES):
            name = ref.removeprefix(BRANCHES)
            if name.startswith(CHANGELOG):
                return "", f"branch {one_line(name)} is Sluice's own"
            refusal = refusal or f"branch {one_line(name)} may not enter it"
            if matches(name, rule.branches):
                return ref, ""
        else:
            refusal = _tag_refusal(ref.removeprefix(TAGS), event, rule)
            if not refusal:
                return ref, ""
    return "", refusal or f"the repository has no branch or tag {one_line(event.ref)}"


def _full(ref: str, known: Known) -> list[str]:
    if ref.startswith("refs/"):
        return [ref]
    # Checks name a branch or a tag and do not tell which.
    return [full for full in (f"{BRANCHES}{ref}", f"{TAGS}{ref}") if full in known.refs]


def _tag_refusal(tag: str, event: Event, rule: TriggerRule) -> str:
    if not matches(tag, rule.tags):
        return f"tag {one_line(tag)} may not enter it"
    version = version_of(tag, rule.tags)
    if version is None:
        return f"tag {one_line(tag)} is not a version such as v1.4.0"
    if (version.prerelease or event.prerelease) and not rule.triggers.prereleases:
        return f"{one_line(tag)} is a pre-release"
    return ""


def _at(event: Event, rule: TriggerRule, known: Known, ref: str) -> DeliveryDecision:
    """Compare the event's commit with where the ref is now: an event that comes late must bring nothing old back."""
    environment, name = rule.environment, one_line(ref.removeprefix(BRANCHES).removeprefix(TAGS))
    now = known.refs.get(ref)
    sha = event.sha or now
    if not known.has_commit:
        return _nothing("wait", f"commit {event.sha[:_SHORT]} is not in the repository yet")
    if now is None or sha is None:
        return _nothing("ignore", f"{environment}: {name} is not in the repository any more")
    if sha != now:
        return _nothing("fold", f"{environment}: {name} is now at {now[:_SHORT]}, which counts")
    if known.latest.get(environment) == sha and not known.again:
        return _nothing("fold", f"{environment}: commit {sha[:_SHORT]} was started by another delivery")
    is_tag = ref.startswith(TAGS)
    start = Start(
        environment=environment,
        kind=Kind.PROMOTE,
        ref=ref.removeprefix(TAGS) if is_tag else sha,
        branch="" if is_tag else ref.removeprefix(BRANCHES),
        sha=sha,
        requested_by=_asker(event, rule, known),
    )
    return DeliveryDecision(outcome="start", reason=f"{_CAUSES[event.means]} {name}", starts=(start,))


_CAUSES = {
    "push": "push to",
    "tag": "tag",
    "pull_request": "pull request of",
    "merge": "merge into",
    "workflow_run": "green workflow of",
    "check_suite": "green checks of",
    "release": "release",
}
