"""What `reconcile` does about GitHub's rules: puts back what is due, and records what differs."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.core.github import open_github_rules
from flows.core.outcome import reported
from flows.domain.rules.view import GITHUB, restored_text, rule_differences, rules_drift_text
from flows.drift.compare import Compared, record_differences
from flows.rules.compare import look_at_rules
from flows.rules.messages import tell_of_rules
from flows.rules.put_back import PutBack, put_back_due

if TYPE_CHECKING:
    from blocks.values.drift import Difference
    from flows.core.session import Session
    from tasks.ledger.relaxation_records import RelaxationRecord


@dataclass(frozen=True)
class KeptRules:
    """What a look at the rules found and did.

    Attributes:
        amiss: Why the rules were not looked at; empty where they were, or none is asked for.
    """

    compared: Compared
    restored: tuple[RelaxationRecord, ...] = ()
    amiss: str = ""

    def done(self) -> list[str]:
        """Return what was done, one line each."""
        return [f"{one.rule} on {one.branch}: {one.message}" for one in self.restored]


def put_back_first(source: str) -> PutBack | None:
    """Put back what is due, before anything else can fail; what fails here keeps nothing else from being looked at."""
    try:
        return put_back_due(source)
    except Exception as error:  # noqa: BLE001 - the environments are looked at, whatever it is
        reported(error, "rules could not be restored")
    return None


def keep_rules(session: Session, put_back: PutBack | None) -> KeptRules | None:
    """Compare GitHub's rules with the pipeline, record what differs, and tell what is new or gone, once.

    Returns:
        What was found; None where the pipeline asks for no rules, nothing was put back and nothing stood.
    """
    pipeline, protect = session.pipeline.pipeline, session.pipeline.protect
    asked = bool(protect.branches or protect.environments)
    restored, failed = put_back or PutBack()
    if not (asked or restored or failed or session.ledger.drift.standing(pipeline, GITHUB)):
        return None
    for one in restored:
        tell_of_rules(
            session, restored_text(pipeline, one, one.message), f"{GITHUB}/relaxation/{one.id}/restored"
        )
    found, amiss = _differences(session) if asked else ([], "")
    # What nobody could read goes on standing: rules under one name, what was to be put back under none.
    read = ([] if amiss else [GITHUB]) + ([] if put_back is None else [""])
    compared = record_differences(session, pipeline, GITHUB, [*found, *failed], read, amiss)
    if compared.new or compared.gone:
        text = rules_drift_text(pipeline, compared.new, compared.gone, len(compared.standing))
        numbers = "-".join(str(one.id) for one in (*compared.new, *compared.gone))
        tell_of_rules(session, text, f"{GITHUB}/drift/{numbers}")
    return KeptRules(compared, restored, amiss)


def _differences(session: Session) -> tuple[list[Difference], str]:
    try:
        with closing(open_github_rules(session.repository.github)) as keeper:
            return rule_differences(look_at_rules(session, keeper).lines), ""
    except Exception as error:  # noqa: BLE001 - the environments were looked at, whatever it is
        return [], f"{GITHUB}: {reported(error, GITHUB)}"
