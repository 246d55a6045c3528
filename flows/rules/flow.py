"""Compares the rules on GitHub with the pipeline, and applies them on request."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.core.github import open_github_rules
from flows.core.outcome import failed_state, publish, reported
from flows.core.session import Session, open_session
from flows.domain.rules.view import restored_text, rules_markdown, rules_summary
from flows.rules.compare import ComparedRules, look_at_rules, write_rules
from flows.rules.messages import tell_of_rules
from flows.rules.put_back import put_back_all
from flows.runs.conduct import rename_run
from tasks.kernel.redact import process_redactor
from tasks.steps.step import log

if TYPE_CHECKING:
    from tasks.kernel.protocols import RuleKeeper

_BY_HAND = "restored before its time, as requested"


@dataclass(frozen=True)
class Protected(ComparedRules):
    """How the rules stand after a run, and what it did."""

    pipeline: str = ""
    changed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    applied: bool = False

    @property
    def summary(self) -> str:
        """How the rules stand, in one line."""
        return rules_summary(self.lines, changed=self.changed, applied=self.applied)

    @property
    def problem(self) -> str:
        """Why it did not do what it was told to; empty where it did."""
        amiss = [*self.failed, *(self.missing if self.applied else ())]
        return f"not every rule is in force: {amiss[0]}" if amiss else ""


@flow(name="protect", flow_run_name="protect", persist_result=False)
def protect(source: str = "default", apply: bool = False, put_back: bool = False) -> State[Any]:  # noqa: FBT001, FBT002
    """Show how the rules on GitHub differ from the pipeline; with `apply`, write what is missing.

    Args:
        source: The `git-repository` block of the application.
        apply: Write what is missing. What is stricter on GitHub stays, and so does what the pipeline does not name.
        put_back: First restore what is relaxed now, before its time is over.

    Returns:
        A completed state that counts what is in force and what is missing; a failed one with one line.
    """
    try:
        with open_session(source) as session:
            rename_run(f"protect {session.pipeline.pipeline}{' (apply)' if apply else ''}")
            done = keep(session, apply=apply, put_back=put_back)
            _publish(done)
    except Exception as error:  # noqa: BLE001 - a person gets one line, whatever it is
        return failed_state(reported(error))
    for line in done.missing:
        log().warning("missing: %s", line)
    return failed_state(done.problem) if done.problem else Completed(message=done.summary)


@flow(name="protect-console", flow_run_name="protect", persist_result=False)
def protected(source: str = "default", apply: bool = False) -> Protected:  # noqa: FBT001, FBT002
    """Do the same for the `sluice protect` command.

    Args:
        source: The `git-repository` block of the application.
        apply: Write what is missing.

    Returns:
        How the rules stand.

    Raises:
        SluiceError: They cannot be read.
    """
    with open_session(source) as session:
        return keep(session, apply=apply)


def keep(session: Session, *, apply: bool, put_back: bool = False) -> Protected:
    """Compare the rules with the pipeline; apply what is missing where it is told to."""
    with closing(open_github_rules(session.repository.github)) as keeper:
        failed = _restored(session, keeper) if put_back else []
        looked = look_at_rules(session, keeper)
        changed: list[str] = []
        if apply and looked.missing:
            changed, more = write_rules(session.pipeline.protect, keeper, looked)
            failed += more
            looked = look_at_rules(session, keeper)
        pipeline = session.pipeline.pipeline
        return Protected(
            **vars(looked), pipeline=pipeline, changed=tuple(changed), failed=tuple(failed), applied=apply
        )


def _restored(session: Session, keeper: RuleKeeper) -> list[str]:
    """Put back what is relaxed now; return what could not be, one line each."""
    standing = session.ledger.relaxations.standing(keeper.page)
    back = put_back_all(session.ledger, keeper, standing, _BY_HAND)
    pipeline = session.pipeline.pipeline
    for one in back.restored:
        tell_of_rules(session, restored_text(pipeline, one, one.message), f"relaxation/{one.id}/restored")
    return [f"{one.subject} {one.detail}" for one in back.failed]


def _publish(done: Protected) -> None:
    markdown = rules_markdown(
        done.pipeline,
        done.lines,
        changed=done.changed,
        failed=done.failed,
        standing=done.standing,
        page=done.found.page,
    )
    publish(f"protection-{done.pipeline}", process_redactor().text(markdown), "Rules on GitHub")
