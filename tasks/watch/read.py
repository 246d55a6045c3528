"""Watching a release that runs: what its services log, whether they are well, and the run that does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks.values.watch import ContainerMark, HostLook, LogError, LogSummary, RawLogs, WatchStart
from tasks.kernel.errors import SluiceError, TerminalError
from tasks.kernel.protocols import Limits
from tasks.kernel.redact import process_redactor
from tasks.services.checks import check_all
from tasks.steps.flow_runs import start_flow_run
from tasks.steps.step import fact, log, step
from tasks.targets.compose.commands.service_logs import HostLogs, made, parse_logs
from tasks.targets.target.health import ailing
from tasks.watch.commands.log_errors import MOST_KINDS, LogPatterns, find_errors, too_long
from tasks.watch.commands.mask import LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from blocks.values.facts import ContainerFact
    from blocks.values.releases import Release
    from tasks.steps.run import Run
    from tasks.targets.target.protocol import Target

DEPLOYMENT = "watch/all"
_LIMITS = Limits(total_seconds=120, idle_seconds=60)
# Under the lease, beside pull and dump: a log that takes longer is not known, and nobody waits for it.
_BEFORE = Limits(total_seconds=20, idle_seconds=20)


@fact("read logs")
def read_raw_logs(run: Run, *, host: str, seconds: float, wanted: bool) -> RawLogs:
    """Read what the services logged before the switch: containers that are made anew lose their logs.

    Running it twice is safe: it only reads, bounded in bytes and time. What cannot be read is noted and stops nobody.

    Args:
        wanted: False where the containers are noted and no logs are read.
    """
    there = run.target(host)
    try:
        containers = there.read_services()
        if not wanted or not containers:
            return RawLogs(host, containers)
        since = {one.id: seconds for one in containers}
        return there.read_logs(containers, since, start_seconds=seconds, limits=_BEFORE)
    except SluiceError as error:
        line = process_redactor().text(error.what)
    except Exception as error:  # noqa: BLE001 - a log that is not understood must not stop a promotion
        line = process_redactor().text(f"{type(error).__name__}: {error}")
    log().warning("the logs before the switch cannot be read: %s", line)
    return RawLogs(host=host, problem=line)


@step("sum up logs", LogSummary)
def sum_up_logs(
    run: Run,  # noqa: ARG001 - a step has one, for its journal
    *,
    host: str,
    raw: RawLogs,
    patterns: LogPatterns | None,
) -> LogSummary:
    """Sum up what the services logged before the switch, once the lease was given back.

    Running it twice is safe: it only computes. What is not understood is noted and stops nobody.

    Args:
        patterns: What the pipeline says about lines; None reads no logs.
    """
    if raw.problem:
        return LogSummary(host=host, notes=(raw.problem,))
    try:
        return _summed_up(raw, patterns)
    except Exception as error:  # noqa: BLE001 - a log that is not understood must not stop a promotion
        line = process_redactor().text(f"{type(error).__name__}: {error}")
    log().warning("the logs before the switch cannot be summarised: %s", line)
    return LogSummary(host=host, notes=(line,))


@fact("watch host")
def watch_host(
    run: Run,
    *,
    host: str,
    kept: frozenset[str],
    since_begun: float,
    since_done: float,
    patterns: LogPatterns | None,
    release: Release,
    smoke: bool,
    checkout: Path | None,
) -> HostLook:
    """Look at a host once: its logs since the switch, its containers, the smoke checks.

    Running it twice is safe: it only looks, as far as the smoke checks do.

    Args:
        kept: Containers that ran before the switch already. What they say while others are replaced does not count.
        since_begun: Seconds since the switch began.
        since_done: Seconds since it was done and had settled.
        patterns: What the pipeline says about log lines; None reads no logs.
        checkout: Where its commit is checked out on the control machine, for smoke commands.

    Raises:
        TransientError: The host does not answer.
        TerminalError: Its engine does not answer.
    """
    there = run.target(host)
    containers = there.read_services()
    since = {one.id: since_done if one.id in kept else since_begun for one in containers}
    logs = _logs(there, containers, since, patterns)
    manifest = there.read_manifest()
    services = manifest.services if manifest is not None else ()
    red = _smoke(run, host, release, checkout) if smoke else ""
    return HostLook(logs=logs, ailing=_ailing(containers, services), smoke=red)


def _smoke(run: Run, host: str, release: Release, checkout: Path | None) -> str:
    try:
        check_all(run, host=host, release=release, checkout=checkout)
    except TerminalError as error:
        # A host that went away meanwhile says nothing about the release.
        run.target(host).read_services()
        return process_redactor().text(error.what)
    return ""


def _ailing(containers: Sequence[ContainerFact], services: tuple[str, ...]) -> tuple[str, ...]:
    """Say which services are not well now; restarts are counted elsewhere, and what starts has its time."""
    calm = tuple(
        one.model_copy(
            update={
                "health": "" if one.health == "starting" else one.health,
                "status": "running" if one.status == "restarting" else one.status,
            }
        )
        for one in containers
    )
    return ailing(calm, services, {one.id: one.restarts for one in containers})


def _logs(
    there: Target,
    containers: tuple[ContainerFact, ...],
    since: Mapping[str, float],
    patterns: LogPatterns | None,
) -> LogSummary:
    """Read and sum up what containers logged since the switch.

    Raises:
        TransientError: The host does not answer.
        TerminalError: What was logged is not understood, so nobody knows whether it is well.
    """
    raw = RawLogs(there.name, containers)
    if patterns is not None and containers:
        raw = there.read_logs(containers, since, start_seconds=0, limits=_LIMITS)
    try:
        return _summed_up(raw, patterns)
    except Exception as error:  # noqa: BLE001 - whatever it is, a watch does not end by a log
        log().exception("the logs of %s cannot be summarised", there.name)
        line = process_redactor().text(f"{type(error).__name__}: {error}")
        raise TerminalError(
            f"the logs of {there.name} cannot be summarised: {line}", "report this bug in Sluice"
        ) from None


def _summed_up(raw: RawLogs, patterns: LogPatterns | None) -> LogSummary:
    """Sum up what was read: in time that grows as the text does, whatever it holds."""
    marks = tuple(
        ContainerMark(id=one.id, service=one.service, restarts=one.restarts, started_at=one.started_at)
        for one in raw.containers
    )
    if patterns is None or not raw.containers:
        return LogSummary(host=raw.host, containers=marks)
    read, made_at = parse_logs(raw.mark, process_redactor().text(raw.text)), made(raw.containers)
    found = [_part(one, read, raw.since[one.id], made_at.get(one.id), patterns) for one in raw.containers]
    began = [(one.service, read.starts[one.id]) for one in raw.containers if one.id in read.starts]
    notes = [note for part in found for note in part.notes]
    notes += [
        f"the beginning of {service}'s log was not read completely" for service, part in began if part.capped
    ]
    return LogSummary(
        host=raw.host,
        seconds=max(part.seconds for part in found),
        lines=sum(part.lines for part in found),
        errors=tuple(error for part in found for error in part.errors),
        starting=tuple(
            error for service, part in began for error in find_errors(service, part.lines, patterns)
        ),
        containers=marks,
        notes=tuple(dict.fromkeys(notes)),
    )


@dataclass(frozen=True)
class _Part:
    """What one container adds to a summary."""

    seconds: float = 0.0
    lines: int = 0
    errors: tuple[LogError, ...] = ()
    notes: tuple[str, ...] = ()


def _part(
    one: ContainerFact, read: HostLogs, since: float, made: datetime | None, patterns: LogPatterns
) -> _Part:
    found = read.containers.get(one.id)
    if found is None or not found.readable:
        problem = found.problem if found is not None else "it is gone"
        return _Part(notes=(f"the log of {one.service} cannot be read: {problem}",))
    errors = find_errors(one.service, found.lines, patterns)
    age = (read.now - made).total_seconds() if made is not None else since
    notes = []
    if found.capped:
        notes.append(f"of {one.service}'s log only the newest {len(found.lines)} lines were read")
    if cut := too_long(found.lines):
        notes.append(
            f"{one.service}'s log has lines of more than {LONGEST_LINE} characters, which were cut: {cut}"
        )
    if len(errors) >= MOST_KINDS:
        notes.append(
            f"{one.service}'s log has more than {MOST_KINDS - 1} kinds of errors; the rarest are missing"
        )
    return _Part(
        seconds=found.seconds if found.capped else max(0.0, min(since, age)),
        lines=len(found.lines),
        errors=errors,
        notes=tuple(notes),
    )


@step("start watch", WatchStart)
def start_watch(run: Run, *, until: datetime, source: str) -> WatchStart:
    """Start the run that watches a release.

    Running it twice is safe: a promotion has one watch, by its number.

    Args:
        source: The `git-repository` block of the application.

    Raises:
        TerminalError: The deployment is missing.
        TransientError: Prefect's server does not answer.
    """
    return WatchStart(
        flow_run=watch_run(run.pipeline, run.environment, run.promotion_id, source), until=until
    )


def watch_run(pipeline: str, environment: str, promotion: int, source: str) -> str:
    """Start the run that watches a promotion, or find it: there is one. Return the flow run's id.

    Raises:
        TerminalError: The deployment is missing.
        TransientError: Prefect's server does not answer.
    """
    wanted = {"environment": environment, "promotion": promotion, "source": source}
    return start_flow_run(DEPLOYMENT, wanted, f"{watch_keys(pipeline, environment)}{promotion}")


def watch_keys(pipeline: str, environment: str) -> str:
    """Return what the keys of an environment's watches begin with; the promotion's number follows."""
    return f"watch/{pipeline}/{environment}/"
