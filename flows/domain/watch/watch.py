"""Whether a release that runs is well: what was seen since the switch against what was seen before it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from blocks.values.base import Value
from blocks.values.lifecycle import ACTIVE, Status
from blocks.values.watch import HostLook, LogError, LogSummary, WatchFinding

if TYPE_CHECKING:
    from blocks.pipeline.watch import LogRules, Watch

# The journal's rows of a watch, in the promotion that is watched: its start, its end, and that people know of it.
START = "start watch"
WATCH = "watch"
TOLD = "watch told"
# From so few errors nobody can tell that they have become more frequent.
FEWEST_FOR_RATE = 10
# A verdict this late is told, and starts nothing: who knows what people have done meanwhile.
LONGEST_LATE = timedelta(hours=1)
_MOST_LINES = 10
_CHANGED = ACTIVE | {Status.SUCCEEDED, Status.RESTORED, Status.BROKEN}


class WatchedStep(Protocol):
    """A journal row, as far as it matters here."""

    @property
    def name(self) -> str:
        """The step's name."""
        ...

    @property
    def started_at(self) -> datetime:
        """When the last try began."""
        ...

    @property
    def finished_at(self) -> datetime | None:
        """When it finished, None where it did not."""
        ...


class WatchedPromotion(Protocol):
    """A promotion, as far as it matters here."""

    @property
    def id(self) -> int:
        """Its number."""
        ...

    @property
    def status(self) -> Status:
        """Where it stands."""
        ...


class Switch(Value):
    """When a promotion switched its hosts.

    Attributes:
        begun: When the first host was switched, UTC.
        done: When the last one was, UTC.
    """

    begun: datetime
    done: datetime

    def until(self, rules: Watch) -> datetime:
        """Return until when the release is watched."""
        return self.done + timedelta(seconds=rules.window)


def switch_of(steps: Sequence[WatchedStep]) -> Switch | None:
    """Return when a promotion switched, None where it did not."""
    ups = [step for step in steps if step.name == "up"]
    if not ups:
        return None
    return Switch(
        begun=min(step.started_at for step in ups),
        done=max(step.finished_at or step.started_at for step in ups),
    )


def overtaken(promotion_id: int, history: Sequence[WatchedPromotion]) -> str:
    """Say what took a release's place, or is about to; empty where it runs as it was brought in."""
    for row in history:
        if row.id > promotion_id and row.status in _CHANGED:
            return f"promotion {row.id} is {row.status.value}"
    return ""


def judge(
    rules: Watch, before: Sequence[LogSummary], looks: Sequence[HostLook], known: Collection[tuple[str, str]]
) -> tuple[WatchFinding, ...]:
    """Judge what was seen."""
    found = [WatchFinding(what=look.smoke) for look in looks if look.smoke]
    found += [WatchFinding(what=f"on {look.host} {'; '.join(look.ailing)}") for look in looks if look.ailing]
    found += _restarted(rules, before, looks)
    if rules.logs is not None:
        found += _logged(rules.logs, before, looks, known)
    return tuple(found)


def _restarted(
    rules: Watch, before: Sequence[LogSummary], looks: Sequence[HostLook]
) -> Iterator[WatchFinding]:
    counts = restarts(before, looks)
    if sum(counts.values()) > rules.restarts:
        named = ", ".join(f"{service} {times(count)}" for service, count in counts.items())
        yield WatchFinding(what=f"services were restarted: {named} ({rules.restarts} allowed)")


def restarts(before: Sequence[LogSummary], looks: Sequence[HostLook]) -> dict[str, int]:
    """Count how often the engine restarted services since the switch.

    Args:
        before: What was there before it, by host: a container that was kept had its restarts before.
    """
    earlier = {(one.host, mark.id): mark.restarts for one in before for mark in one.containers}
    # Where nobody knows what was there before, what a container went through then would count as well.
    compared = {one.host for one in before if one.containers or not one.notes}
    found: dict[str, int] = {}
    for look in looks:
        if look.host not in compared:
            continue
        for mark in look.logs.containers:
            more = mark.restarts - earlier.get((look.host, mark.id), 0)
            if more > 0:
                found[mark.service] = found.get(mark.service, 0) + more
    return found


def _logged(
    rules: LogRules,
    before: Sequence[LogSummary],
    looks: Sequence[HostLook],
    known: Collection[tuple[str, str]],
) -> Iterator[WatchFinding]:
    after = merged([look.logs for look in looks])
    watched = [one for one in after if one.sign == "pattern"]
    if watched:
        yield WatchFinding(what="lines that the pipeline watches for were logged", lines=told(watched))
    seconds = max((one.seconds for one in before), default=0.0)
    if not seconds:
        # Nothing ran before, or nothing could be read: there is nothing to compare with.
        return
    earlier = merged(before)
    if rules.new_errors is not None:
        # What a service says whenever it is started is no news.
        usual = {error.kind for one in before for error in one.starting}
        new = new_errors(earlier, after, {*known, *usual})
        if len(new) > rules.new_errors:
            kinds = "1 error that was" if len(new) == 1 else f"{len(new)} kinds of errors that were"
            yield WatchFinding(what=f"{kinds} not there before the switch", lines=told(new))
    if rules.rate is not None:
        yield from _more_frequent(rules.rate, earlier, seconds, after, looks)


def _more_frequent(
    factor: float,
    earlier: Sequence[LogError],
    before: float,
    after: Sequence[LogError],
    looks: Sequence[HostLook],
) -> Iterator[WatchFinding]:
    had = sum(one.count for one in earlier if one.sign == "error")
    errors = [one for one in after if one.sign == "error"]
    have, seconds = sum(one.count for one in errors), max((look.logs.seconds for look in looks), default=0.0)
    usual = had / before * seconds
    if have >= FEWEST_FOR_RATE and have > factor * usual:
        yield WatchFinding(
            what=f"{have} errors in {seconds:.0f} s, where {usual:.1f} were usual before the switch",
            lines=told(errors),
        )


def not_known(
    hosts: Sequence[str], before: Sequence[LogSummary], looks: Sequence[HostLook]
) -> tuple[str, ...]:
    """Say what of logs and restarts nobody knows, one line each: what was not read is no proof that all is well."""
    there = {one.host for one in before}
    missing = [
        f"what ran on {host} before the switch, and what it logged, is not known"
        for host in hosts
        if host not in there
    ]
    noted = [f"before the switch, {note}" for one in before for note in one.notes]
    return tuple(dict.fromkeys([*(note for look in looks for note in look.logs.notes), *missing, *noted]))


def merged(summaries: Sequence[LogSummary]) -> tuple[LogError, ...]:
    """Put the errors of several hosts together, the most frequent first."""
    found: dict[tuple[str, str, str], LogError] = {}
    for error in (error for one in summaries for error in one.errors):
        key = (error.sign, *error.kind)
        same = found.get(key)
        found[key] = error if same is None else same.model_copy(update={"count": same.count + error.count})
    return tuple(sorted(found.values(), key=lambda one: (-one.count, one.service, one.text)))


def new_errors(
    earlier: Sequence[LogError], after: Sequence[LogError], known: Collection[tuple[str, str]]
) -> list[LogError]:
    """Return the errors that were not there before."""
    before = {one.kind for one in earlier if one.sign == "error"} | set(known)
    return [one for one in after if one.sign == "error" and one.kind not in before]


def told(errors: Sequence[LogError]) -> tuple[str, ...]:
    """Return errors as lines for people, the most frequent first, bounded."""
    lines = [f"{one.service} ({times(one.count)}): {one.sample}" for one in errors[:_MOST_LINES]]
    more = len(errors) - len(lines)
    return (*lines, *([f"… and {more} more kinds"] if more else []))


def times(count: int) -> str:
    """Say how often something came."""
    return "once" if count == 1 else f"{count} times"
