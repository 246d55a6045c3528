"""The looks of a watch: as many as its time allows, or until one of them is red."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blocks.pipeline import CommandCheck
from blocks.values.watch import LogSummary, WatchEnd
from flows.domain.watch.verdict import verdict_of
from flows.domain.watch.watch import WATCH, judge, not_known, overtaken
from flows.watch.start import patterns_of
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import SluiceError
from tasks.steps.flow_runs import wait_here
from tasks.steps.run import Run
from tasks.steps.step import log
from tasks.watch.read import watch_host

if TYPE_CHECKING:
    from pathlib import Path

    from blocks.pipeline.watch import Watch
    from blocks.values.releases import Release
    from blocks.values.watch import HostLook
    from flows.domain.watch.watch import Switch
    from tasks.ledger.records import PromotionRecord

_LOOK_BACK = 20
_HISTORY = 50


@dataclass
class Observation:
    """What a watch saw."""

    end: WatchEnd
    before: tuple[LogSummary, ...] = ()
    looks: tuple[HostLook, ...] = field(default=())


def look_on(run: Run, row: PromotionRecord, release: Release, rules: Watch, switch: Switch) -> Observation:
    """Look until the time is up, something is red, or another release was brought in.

    Between two looks the run may leave its process; then it begins anew, with what the ledger has.
    """
    before, until = summaries_before(run), switch.until(rules)
    known = known_errors(run)
    checkout = _checkout(run, release)
    for name in run.hosts:
        run.target(name).hide_secrets()
    while True:
        gone = _overtaken(run, row)
        if gone:
            return Observation(WatchEnd(verdict="over", text=f"{gone}: nothing is left to watch"), before)
        last = utc_now() >= until
        looks, problem = _look(run, release, rules, switch, before, checkout)
        findings = judge(rules, before, looks, known)
        end = verdict_of(
            f"{row.release_id} is healthy in {row.environment}",
            looks,
            findings,
            not_known(tuple(run.hosts), before, looks),
            problem=problem,
            last=last,
            replaced=bool(findings) and bool(_overtaken(run, row)),
        )
        if end is not None:
            return Observation(end, before, looks)
        log().info("%s: nothing is wrong, watching until %s", row.environment, f"{until:%H:%M:%S} UTC")
        wait_here(min(rules.every, (until - utc_now()).total_seconds()), "BetweenLooks")


def _overtaken(run: Run, row: PromotionRecord) -> str:
    return overtaken(row.id, run.ledger.promotions.history(run.pipeline, run.environment, _HISTORY))


def _look(
    run: Run,
    release: Release,
    rules: Watch,
    switch: Switch,
    before: tuple[LogSummary, ...],
    checkout: Path | None,
) -> tuple[tuple[HostLook, ...], str]:
    now = utc_now()
    # Services that stayed complain for a moment of those that were replaced.
    settled = (now - switch.done).total_seconds() - run.policy.timeouts.settle
    looking = [
        watch_host.submit(
            run,
            host=name,
            kept=frozenset(mark.id for one in before if one.host == name for mark in one.containers),
            since_begun=(now - switch.begun).total_seconds(),
            since_done=settled,
            patterns=patterns_of(rules),
            release=release,
            smoke=rules.smoke,
            checkout=checkout,
        )
        for name in run.hosts
    ]
    looks: list[HostLook] = []
    problem = ""
    for future in looking:
        try:
            looks.append(future.result())
        except SluiceError as error:
            # A host that is away says nothing about the release.
            log().warning("%s", error)
            problem = str(error)
    return tuple(looks), problem


def _checkout(run: Run, release: Release) -> Path | None:
    needed = any(isinstance(check, CommandCheck) and check.service is None for check in run.policy.smoke)
    if not needed:
        return None
    return run.mirror.checkout(release.commit.sha, run.work / "source" / release.commit.sha)


def summaries_before(run: Run) -> tuple[LogSummary, ...]:
    """Return what each host logged before the switch, as the promotion kept it."""
    rows = [step for step in run.ledger.steps.of(run.promotion_id) if step.name == "sum up logs"]
    return tuple(
        LogSummary.from_json(step.receipt) for step in rows if step.status == "finished" and step.receipt
    )


def known_errors(run: Run) -> frozenset[tuple[str, str]]:
    """Return the errors that earlier watches saw and that were no reason to be red."""
    found: set[tuple[str, str]] = set()
    for row in run.ledger.promotions.history(run.pipeline, run.environment, _LOOK_BACK):
        end = end_of(run, row.id)
        if end is not None and end.verdict in {"green", "unclear"}:
            found |= {error.kind for error in end.errors if error.sign == "error"}
    return frozenset(found)


def end_of(run: Run, promotion_id: int) -> WatchEnd | None:
    """Return how the watch of a promotion ended, None where it did not."""
    step = run.ledger.steps.get(promotion_id, WATCH, "")
    if step is None or step.status != "finished" or step.receipt is None:
        return None
    return WatchEnd.from_json(step.receipt)
