"""How a watch begins: what was logged before the switch is read, and its run is started once the release runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.lifecycle import Kind, Status
from flows.domain.watch.watch import switch_of
from tasks.kernel.errors import SluiceError
from tasks.steps.step import log
from tasks.watch.commands.log_errors import LogPatterns
from tasks.watch.read import read_raw_logs, start_watch, sum_up_logs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefect.futures import PrefectFuture

    from blocks.pipeline.watch import Watch
    from blocks.values.watch import RawLogs
    from tasks.ledger.records import PromotionRecord
    from tasks.steps.run import Run


def patterns_of(rules: Watch) -> LogPatterns | None:
    """Return what the pipeline says about log lines, None where logs are not read."""
    return LogPatterns(rules.logs.watch, rules.logs.ignore) if rules.logs is not None else None


def begin_reading(run: Run) -> list[PrefectFuture[RawLogs]]:
    """Begin to read what every host logged before it is switched. Beside other steps it costs no time."""
    rules = run.policy.watch
    # Once switched, what ran before has no logs any more.
    if rules is None or run.journal.begun("up"):
        return []
    wanted = rules.logs is not None
    return [read_raw_logs.submit(run, host=name, seconds=rules.window, wanted=wanted) for name in run.hosts]


def end_reading(run: Run, reading: Sequence[PrefectFuture[RawLogs]]) -> None:
    """Wait for what is read, and keep it until the lease was given back."""
    for future in reading:
        raw = future.result()
        run.raw_logs[raw.host] = raw


def _sum_up(run: Run, rules: Watch) -> None:
    for host, raw in run.raw_logs.items():
        sum_up_logs(run, host=host, raw=raw, patterns=patterns_of(rules))
    run.raw_logs.clear()


def begin_watch(run: Run, row: PromotionRecord, source: str) -> None:
    """Sum up the logs before the switch and start the watch of a promotion that succeeded; it stays so if this fails.

    A rollback is not watched: what it starts is proven, and a watch that rolls back must not undo one.
    """
    rules = run.policy.watch
    if rules is None or row.status is not Status.SUCCEEDED or row.kind is Kind.ROLLBACK:
        return
    switch = switch_of(run.ledger.steps.of(row.id))
    if switch is None:
        return
    try:
        _sum_up(run, rules)
        start_watch(run, until=switch.until(rules), source=source)
    except SluiceError as error:
        log().warning("%s is not watched yet, `reconcile` will start it: %s", row.environment, error)
