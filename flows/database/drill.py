"""Proves on schedule that the newest dump of an environment restores, and how long that takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.core.outcome import failed_state, publish, run_link
from flows.core.session import Session, open_session
from flows.domain.database.drill import drill_line, drill_markdown, failure_text
from flows.runs.conduct import rename_run
from flows.runs.first_start import flow_run_key
from tasks.adapters.pool import close_all
from tasks.database.drill import prove_dump
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import SluiceError, TerminalError, unexpected
from tasks.kernel.redact import process_redactor
from tasks.steps.notify import tell
from tasks.steps.run import Run
from tasks.steps.step import log

if TYPE_CHECKING:
    from blocks.pipeline import Policy
    from blocks.values.receipts import BackupReceipt


@flow(name="drill", flow_run_name="drill → {environment}", persist_result=False)
def drill(environment: str, source: str = "default") -> State[Any]:
    """Restore the newest dump into a throw-away container, compare it with the live database, and record the time.

    Nothing live is touched, and no lease is held: a promotion may go on meanwhile.

    Args:
        environment: The environment's name.
        source: The `git-repository` block of the application.

    Returns:
        A completed state with the recovery time, or a failed one that says in one line what is wrong with the dump.
    """
    try:
        with open_session(source, must_fetch=False) as session:
            policy = session.policy(environment)
            rename_run(f"drill {policy.pipeline} {environment}")
            return _told(policy, _drilled(session, policy))
    except SluiceError as error:
        return failed_state(_said(error))
    finally:
        close_all()


def _drilled(session: Session, policy: Policy) -> State[Any]:
    """Drill, whatever goes wrong: that too has to be told."""
    try:
        run = session.run(0, policy, session.pipeline.describe(policy.name))
        return _drill(run)
    except SluiceError as error:
        return failed_state(_said(error))
    except Exception as error:  # noqa: BLE001 - a weekly run that fails unheard is worse than none
        log().exception("unexpected failure")
        return failed_state(_said(unexpected(error)))


def _drill(run: Run) -> State[Any]:
    backup = _newest(run)
    receipt = prove_dump(run, host=backup.host, backup=backup)
    run.ledger.drills.add(
        promotion_id=None, pipeline=run.pipeline, environment=run.environment, receipt=receipt, now=utc_now()
    )
    page = drill_markdown(run.pipeline, run.environment, backup, receipt)
    publish(
        f"drill-{run.pipeline}-{run.environment}", process_redactor().text(page), "Does the dump restore?"
    )
    line = process_redactor().text(drill_line(run.environment, backup, receipt))
    log().info("%s", line)
    return Completed(message=line) if receipt.passed else failed_state(line)


def _newest(run: Run) -> BackupReceipt:
    found = run.ledger.backups.of(run.pipeline, run.environment)
    if not found:
        raise TerminalError(
            f"drill of {run.environment}: it has no dump yet",
            "a promotion that migrates takes one; the pipeline needs a backup section for that",
        )
    newest = found[0].receipt
    if newest.host not in run.hosts:
        raise TerminalError(
            f"drill of {run.environment}: its newest dump is on {newest.host}, which is no longer one of its hosts",
            "promote, so that a new one is taken",
        )
    return newest


def _said(error: SluiceError) -> str:
    text = process_redactor().text(str(error))
    log().error("%s", text)
    return text


def _told(policy: Policy, state: State[Any]) -> State[Any]:
    if state.is_failed():
        link = run_link(flow_run_key())
        text = failure_text(policy.pipeline, policy.name, state.message or "", link)
        data = {"pipeline": policy.pipeline, "environment": policy.name, "kind": "drill", "status": "failed"}
        more = {"message": state.message or "", "run": link}
        tell(policy.notify, text, {**data, **more}, f"{policy.pipeline}/{policy.name}/drill/{flow_run_key()}")
    return state
