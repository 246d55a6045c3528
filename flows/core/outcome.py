"""How a promotion's end is told: to Prefect, to people, in the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State, StateType
from prefect.states import Completed

from blocks.settings import Settings
from blocks.values.lifecycle import Kind, Status
from flows.domain.promotion.messages import Subject, failed, restored, rolled_back, succeeded, waiting
from flows.domain.words.text import code, escape, table
from tasks.kernel.errors import SluiceError, unexpected
from tasks.kernel.redact import process_redactor
from tasks.steps.notify import tell
from tasks.steps.step import log

if TYPE_CHECKING:
    from blocks.values.plans import Plan
    from blocks.values.releases import Commit, Release
    from flows.domain.approvals.values import QuorumState
    from tasks.ledger.records import PromotionRecord, StepRecord
    from tasks.steps.run import Run

GOOD = frozenset({Status.SUCCEEDED, Status.UNCHANGED})


def state_of(row: PromotionRecord) -> State[Any]:
    """Return the Prefect state a promotion's end becomes.

    Returns:
        Completed for `SUCCEEDED` and `UNCHANGED`; otherwise a failed state that has the status's name and the
        ledger's line as its message.
    """
    name = row.status.value.capitalize()
    if row.status in GOOD:
        return Completed(message=row.message or name, name="Completed")
    return State(type=StateType.FAILED, name=name, message=row.message or name)


def failed_state(message: str, name: str = "Failed") -> State[Any]:
    """Return a failed state with one line for a person and no stack trace."""
    return State(type=StateType.FAILED, name=name, message=message)


def reported(error: Exception, of: str = "") -> str:
    """Log an error, and return its one line for a person; one nobody foresaw is logged with its trace.

    Args:
        of: What it is about, for the log only; empty where the line says so itself.
    """
    if not isinstance(error, SluiceError):
        log().error("unexpected failure", exc_info=error)
        error = unexpected(error)
    text = process_redactor().text(str(error))
    log().error("%s%s", f"{of}: " if of else "", text)
    return text


def run_link(flow_run_id: str | None) -> str:
    """Return the address of a run in the Prefect UI; empty without one."""
    base = Settings().prefect_ui_url.rstrip("/")
    return f"{base}/runs/flow-run/{flow_run_id.partition('#')[0]}" if flow_run_id else ""


def message_of(row: PromotionRecord, release: Release | None, warnings: tuple[str, ...] = ()) -> str:
    """Return the notification about a promotion's end."""
    subject = subject_of(row, row.release_id or "", release.commit if release else None, row.flow_run_id)
    if row.status in GOOD and row.kind is Kind.ROLLBACK:
        return rolled_back(subject, row.previous_release_id or "", row.cause, warnings)
    if row.status in GOOD:
        return succeeded(subject, seconds_of(row))
    if row.status is Status.RESTORED:
        return restored(subject, row.previous_release_id or "", row.message)
    return failed(subject, row.message)


def subject_of(row: PromotionRecord, release_id: str, commit: Commit | None, run: str | None) -> Subject:
    """Return what a message about a promotion names; it links to the flow run."""
    return Subject(
        pipeline=row.pipeline,
        environment=row.environment,
        release_id=release_id,
        commit=commit.short if commit else row.ref,
        title=commit.subject if commit else "",
        requested_by=row.requested_by,
        link=run_link(run),
    )


def seconds_of(row: PromotionRecord) -> float:
    """Return how long a promotion took from the lease to its end; 0 where it never changed anything."""
    if row.started_at is None or row.ended_at is None:
        return 0.0
    return (row.ended_at - row.started_at).total_seconds()


def data_of(row: PromotionRecord, release: Release | None) -> dict[str, object]:
    """Return the same for machines."""
    return {
        **_place_data(row),
        "release": row.release_id,
        "commit": release.commit.sha if release else None,
        "previous_release": row.previous_release_id,
        "requested_by": row.requested_by,
        "message": row.message,
        "run": run_link(row.flow_run_id),
    }


def _place_data(row: PromotionRecord) -> dict[str, object]:
    return {
        "promotion": row.id,
        "pipeline": row.pipeline,
        "environment": row.environment,
        "kind": row.kind.value,
        "status": row.status.value,
    }


def tell_end(names: tuple[str, ...], row: PromotionRecord, release: Release | None) -> None:
    """Tell channels that a promotion ended, as its own run would have. What fails is logged, no more."""
    text = process_redactor().text(message_of(row, release))
    tell(names, text, data_of(row, release), end_key(row))


def end_key(row: PromotionRecord) -> str:
    """Return what makes the message about a promotion's status one of a kind."""
    return f"{row.pipeline}/{row.environment}/{row.id}/{row.status.value}"


def report_markdown(row: PromotionRecord, steps: list[StepRecord], release: Release | None) -> str:
    """Return the report people read after a promotion."""
    title = f"{row.kind.value.capitalize()} {row.pipeline} → {row.environment}: {row.status.value}"
    facts = [
        ("Release", code(row.release_id or row.ref)),
        ("Commit", escape(f"{release.commit.short} {release.commit.subject}") if release else ""),
        ("Before", code(row.previous_release_id) if row.previous_release_id else "nothing"),
        ("Asked for by", escape(row.requested_by or "not said")),
        ("Took", f"{seconds_of(row):.1f} s"),
        ("Message", escape(row.message, 600)),
    ]
    rows = [
        (
            escape(step.name),
            escape(step.host),
            step.status,
            str(step.attempts),
            f"{(step.finished_at - step.started_at).total_seconds():.1f} s" if step.finished_at else "",
        )
        for step in steps
    ]
    done = table(("Step", "Where", "Status", "Tries", "Took"), rows) if rows else "No step changed anything."
    return f"# {escape(title)}\n\n{table(('', ''), facts)}\n\n## Steps\n\n{done}\n"


def publish(key: str, markdown: str, description: str) -> None:
    """Publish a Prefect artifact people read."""
    create_markdown_artifact(markdown, key=key, description=description)


def tell_waiting(run: Run, row: PromotionRecord, plan: Plan, state: QuorumState) -> None:
    """Tell the environment's channels that approvals are needed. What fails is logged, no more."""
    subject = subject_of(row, plan.release_id, plan.commit, row.flow_run_id)
    text = process_redactor().text(waiting(subject, plan, state))
    data = {
        **_place_data(row),
        "release": plan.release_id,
        "plan": plan.hash,
        "run": run_link(row.flow_run_id),
    }
    tell(run.policy.notify, text, data, f"{row.pipeline}/{row.environment}/{row.id}/waiting/{plan.hash}")
