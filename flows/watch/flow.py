"""Looks after a release for a while once it runs, and acts where it is not well."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.values.watch import WatchEnd
from flows.core.outcome import failed_state, publish, reported
from flows.core.session import Session, open_session, repository_facts
from flows.domain.promotion.asked import belongs
from flows.domain.watch.view import watch_markdown
from flows.domain.watch.watch import TOLD, WATCH, switch_of
from flows.domain.words.text import one_line
from flows.runs.conduct import rename_run
from flows.runs.first_start import flow_run_key
from flows.watch.finish import TO_TELL, act
from flows.watch.observe import Observation, end_of, look_on
from tasks.adapters.pool import close_all
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import RefusedError, SluiceError, TerminalError
from tasks.kernel.redact import process_redactor
from tasks.steps.flow_runs import read_flow_run
from tasks.steps.run import Run
from tasks.steps.step import log
from tasks.watch.read import watch_keys

if TYPE_CHECKING:
    from blocks.values.releases import Release
    from flows.domain.watch.watch import Switch
    from tasks.ledger.records import PromotionRecord

_KEY = re.compile(r"watch/([^/]+/[^/]+)/(\d+)")


@flow(
    name="watch",
    flow_run_name="watch {environment}",
    task_runner=ThreadPoolTaskRunner(max_workers=8),  # type: ignore[arg-type]
    persist_result=False,
)
def watch(environment: str = "", promotion: int = 0, source: str = "default") -> State[Any]:
    """Watch a release after its switch: health, smoke checks, restarts and logs, until the window is over.

    It changes nothing and takes no lease. When it turns red it notifies people with the log lines that decided, puts
    the release on hold, and starts the rollback where the policy says so. It may be killed at any time and
    started again.

    Args:
        environment: The environment's name.
        promotion: The promotion that brought the release; 0 for the one that runs.
        source: The `git-repository` block of the application.

    Returns:
        A completed state where nothing wrong was seen or another release was brought in; a failed one named `Red` or
        `Blind` otherwise.
    """
    try:
        with open_session(source, must_fetch=False) as session:
            run, row, release, switch = _opened(session, environment, promotion)
            refuse_other(row, flow_run_key())
            rename_run(f"watch {row.pipeline} {release.commit.short} in {row.environment}")
            return _watched(run, row, release, switch, source)
    except SluiceError as error:
        return failed_state(reported(error))
    finally:
        close_all()


def _opened(
    session: Session, environment: str, promotion: int
) -> tuple[Run, PromotionRecord, Release, Switch]:
    policy = session.policy(environment)
    promotions = session.ledger.promotions
    row = promotions.get(promotion) if promotion else promotions.running(policy.pipeline, policy.name)
    release = session.ledger.releases.get(row.release_id) if row and row.release_id else None
    switch = switch_of(session.ledger.steps.of(row.id)) if row else None
    here = row is not None and (row.pipeline, row.environment) == (policy.pipeline, policy.name)
    if row is None or release is None or switch is None or not here:
        raise TerminalError(
            f"watch of {environment}: there is no promotion {promotion or ''} there that switched anything",
            f"`sluice history {environment}` lists them",
        )
    # Another repository has other rules, and may call a good release red.
    if row.asked is not None and not belongs(row.asked, repository_facts(session.repository)):
        raise TerminalError(
            f"watch of {environment}: promotion {row.id} is of {one_line(row.asked.repository.url)}, not of the "
            "repository of this run",
            f"name its block: `--param source={row.asked.source}`",
        )
    return session.run(row.id, policy, session.pipeline.describe(policy.name)), row, release, switch


def refuse_other(row: PromotionRecord, run: str) -> None:
    """See that a run watches what it was started for: between two looks it waits, and its parameters can be changed.

    Raises:
        RefusedError: A promotion had it started, and not this one.
    """
    fact = read_flow_run(run)
    found = _KEY.fullmatch(fact.key) if fact is not None else None
    if found and found[0] != f"{watch_keys(row.pipeline, row.environment)}{row.id}":
        raise RefusedError(
            f"this run was started to watch promotion {found[2]} ({found[1]}), and its parameters were changed to "
            f"another one: {row.id}",
            "put them back, or start a run of `watch/all` of your own",
        )


def _watched(run: Run, row: PromotionRecord, release: Release, switch: Switch, source: str) -> State[Any]:
    rules = run.policy.watch
    end = end_of(run, row.id)
    if end is not None:
        log().info("the watch of promotion %s ended before: %s", row.id, end.verdict)
        seen = Observation(end)
    elif rules is None:
        return Completed(message=f"{row.environment} is not watched: pipeline.yaml has no watch there")
    else:
        run.ledger.steps.start(row.id, WATCH, now=utc_now())
        seen = look_on(run, row, release, rules, switch)
        # Written down before anything is done about it: what is done replaces the release, and a run that is cut in
        # between must not take that for a reason to be silent.
        run.ledger.steps.finish(row.id, WATCH, receipt=seen.end, now=utc_now())
    return _ended(run, row, seen, switch, source)


def _ended(run: Run, row: PromotionRecord, seen: Observation, switch: Switch, source: str) -> State[Any]:
    end = seen.end
    then: tuple[str, ...] = ()
    told = run.ledger.steps.get(row.id, TOLD, "")
    if end.verdict in TO_TELL and (told is None or told.status != "finished"):
        until = switch.until(run.policy.watch) if run.policy.watch else switch.done
        then = act(run.ledger, run.policy, row, end, until=until, source=source, run=flow_run_key())
    title = f"Watch of {row.pipeline} {row.environment}, promotion {row.id}"
    page = process_redactor().text(watch_markdown(title, end, seen.before, seen.looks, then))
    publish(f"watch-{row.pipeline}-{row.environment}", page, "Is the release healthy?")
    return _state(end)


def _state(end: WatchEnd) -> State[Any]:
    log().info("%s: %s", end.verdict, end.text)
    if end.verdict in {"green", "unclear", "over"}:
        return Completed(message=f"{end.verdict}: {end.text}")
    return failed_state(end.text, name=end.verdict.capitalize())
