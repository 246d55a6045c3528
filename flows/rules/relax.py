"""Lets a rule on GitHub go for a while, once verified people said yes; it is put back by itself."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks.values.asked import AskedFor
from flows.core.github import open_github_rules
from flows.core.outcome import failed_state, reported
from flows.core.session import Session, open_session, repository_facts
from flows.domain.rules.relaxation import (
    LONGEST_REASON,
    cannot_relax,
    is_back,
    refusal,
    relaxed_protection,
)
from flows.domain.rules.rules import BY_NAME
from flows.domain.rules.view import relaxed_text, standing_line
from flows.domain.words.text import one_line
from flows.rules.ask import ask_to_relax
from flows.rules.first_start import refuse_changed, refuse_elsewhere, refuse_other_rules
from flows.rules.messages import tell_of_rules
from flows.rules.put_back import restore
from flows.runs.conduct import rename_run
from flows.runs.first_start import flow_run_key
from tasks.github.protection import protect_branch, read_rules
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import RefusedError, SluiceError
from tasks.kernel.redact import process_redactor
from tasks.ledger.connect import open_ledger
from tasks.steps.step import log

if TYPE_CHECKING:
    from blocks.values.asked import Parameter
    from blocks.values.rules import BranchRules
    from tasks.kernel.protocols import RuleKeeper
    from tasks.ledger.relaxation_records import RelaxationRecord

# The same names as `RULES` has, for the list in the form that starts a run.
RuleName = Literal[
    "required_pull_request_reviews",
    "required_approving_review_count",
    "dismiss_stale_reviews",
    "require_code_owner_reviews",
    "require_last_push_approval",
    "required_status_checks",
    "strict",
    "enforce_admins",
    "required_linear_history",
    "required_conversation_resolution",
    "allow_force_pushes",
    "allow_deletions",
]
_MINUTE = 60
_LATE = "its time was over before GitHub was changed"


@flow(name="relax", flow_run_name="relax {rule} on {branch}", persist_result=False)
def relax(
    branch: str = "main",
    rule: RuleName = "enforce_admins",
    minutes: int = 15,
    reason: str = "",
    requested_by: str = "",
    source: str = "default",
) -> State[Any]:
    """Ask people whether a rule may be relaxed, and relax it for the time that was asked for.

    Args:
        branch: The branch, one that the pipeline protects.
        rule: The rule, by GitHub's name, one that the pipeline asks for on the branch.
        minutes: For how long.
        reason: Why; required.
        requested_by: Who asks; shown, with no effect.
        source: The `git-repository` block of the application.

    Returns:
        A completed state that says until when; a failed one with one line.
    """
    asked: dict[str, Parameter] = {
        "branch": branch,
        "rule": rule,
        "minutes": minutes,
        "reason": reason,
        "requested_by": requested_by,
        "source": source,
    }
    try:
        with open_ledger() as ledger:
            known = ledger.relaxations.of_run(flow_run_key())
            refuse_changed(ledger, known, asked)
            check = partial(refuse_elsewhere, ledger, known)
            with open_session(source, ledger=ledger, check=check) as session:
                return _relax(session, known, asked)
    except Exception as error:  # noqa: BLE001 - a person gets one line, whatever it is
        return failed_state(reported(error), "Refused" if isinstance(error, RefusedError) else "Failed")


def _relax(session: Session, known: RelaxationRecord | None, asked: dict[str, Parameter]) -> State[Any]:
    with closing(open_github_rules(session.repository.github)) as keeper:
        refuse_other_rules(session.ledger, known, keeper.page)
        branch = one_line(str(asked["branch"]), 60)
        rename_run(f"relax {asked['rule']} on {branch} of {session.pipeline.pipeline}")
        return _carried_through(session, keeper, _request(session, keeper, asked))


def _request(session: Session, keeper: RuleKeeper, asked: dict[str, Parameter]) -> RelaxationRecord:
    """Return this run's request: the one from before it was suspended or killed, or a new one."""
    branch, rule, reason = (str(asked[name]) for name in ("branch", "rule", "reason"))
    seconds = int(asked["minutes"]) * _MINUTE
    problem = refusal(session.pipeline.protect, branch, rule, seconds, reason)
    if problem:
        raise RefusedError(problem)
    return session.ledger.relaxations.open(
        pipeline=session.pipeline.pipeline,
        repository=keeper.page,
        branch=branch,
        rule=rule,
        seconds=seconds,
        reason=process_redactor().text(one_line(reason, LONGEST_REASON)),
        requested_by=one_line(str(asked["requested_by"]), 100),
        flow_run_id=flow_run_key(),
        now=utc_now(),
        asked=AskedFor(parameters=asked, repository=repository_facts(session.repository)),
    )


def _carried_through(session: Session, keeper: RuleKeeper, row: RelaxationRecord) -> State[Any]:
    if row.status == "asked":
        row = _begun(session, keeper, row)
    if row.stands:
        row = _relaxed(session, keeper, row)
    if row.status != "relaxed":
        return failed_state(row.message or row.status, "Refused" if row.status == "refused" else "Failed")
    line = process_redactor().text(standing_line(row))
    log().warning("%s", line)
    return Completed(message=line)


def _begun(session: Session, keeper: RuleKeeper, row: RelaxationRecord) -> RelaxationRecord:
    """Ask people, and write down what is put back; nothing on GitHub is changed before that is written."""
    relaxations = session.ledger.relaxations
    problem = cannot_relax(_look(keeper, row), row.rule)
    if problem:
        return relaxations.end(row.id, "refused", message=problem, now=utc_now())
    outcome = ask_to_relax(session, row)
    if not outcome.approved:
        return relaxations.end(row.id, "refused", message=outcome.message, now=utc_now())
    # People took their time: what is put back is what is enforced now.
    found = _look(keeper, row)
    problem = cannot_relax(found, row.rule)
    if problem or found.protection is None:
        return relaxations.end(row.id, "refused", message=problem, now=utc_now())
    return relaxations.begin(row.id, before=found.protection, approved_by=outcome.by, now=utc_now())


def _look(keeper: RuleKeeper, row: RelaxationRecord) -> BranchRules:
    (found,) = read_rules(keeper, branches=(row.branch,), environments=()).branches
    return found


def _relaxed(session: Session, keeper: RuleKeeper, row: RelaxationRecord) -> RelaxationRecord:
    """Let the rule go. Whatever goes wrong, it is tried at once to have it in force again."""
    try:
        return _let_go(session, keeper, row)
    except SluiceError as error:
        return _taken_back(session, keeper, row, reported(error))


def _let_go(session: Session, keeper: RuleKeeper, row: RelaxationRecord) -> RelaxationRecord:
    if row.status == "relaxed":
        return row
    if row.until is None or utc_now() >= row.until:
        return restore(session.ledger, keeper, row, _LATE)
    found = _look(keeper, row)
    rule = BY_NAME[row.rule]
    if found.protection is not None and rule.read(found.protection) != rule.open:
        protect_branch(keeper, found=found, wanted=relaxed_protection(found.protection, row.rule))
    now = session.ledger.relaxations.settle(row.id, message=standing_line(row), now=utc_now())
    if now.status != "relaxed" or utc_now() >= row.until:
        # Somebody closed the request while GitHub took its time: what was changed after that would stay so.
        return restore(session.ledger, keeper, now, _LATE)
    tell_of_rules(session, relaxed_text(now.pipeline, now), f"relaxation/{now.id}/relaxed")
    return now


def _taken_back(session: Session, keeper: RuleKeeper, row: RelaxationRecord, text: str) -> RelaxationRecord:
    try:
        found = _look(keeper, row)
        if row.protection is not None and is_back(found.protection, row.protection, row.rule):
            return session.ledger.relaxations.end(row.id, "failed", message=text, now=utc_now())
        return restore(session.ledger, keeper, row, text)
    except SluiceError as error:
        # It stands in the ledger, and is put back when its time is over.
        reported(error)
        raise
