"""How a rollback treats the database: decided from evidence, before anything is touched."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from blocks.values.evidence import RehearsalReceipt
from blocks.values.releases import Revision
from blocks.values.rollback import RollbackStrategy, StrategyKind
from blocks.values.schema_changes import worst
from flows.domain.rollback.evidence import RollbackEvidence, as_revisions, downgrade_target
from flows.domain.words.text import one_line

_MOST_NAMED = 5


def decide_strategy(evidence: RollbackEvidence) -> RollbackStrategy:
    """Decide how to go back: code only, downgrade, restore, or not at all.

    Code only needs a proof: no migration between the two, a rehearsal in which the very release became
    healthy on the very schema, or a verdict for each migration between that lets earlier releases work. What
    a rehearsal found counts more than a verdict.

    Returns:
        The decision. `DOWNGRADE` without a trial means that the down-migrations have to be tried on a copy, and
        that this has to be asked again with what came out.
    """
    proof = _proof(evidence)
    if proof:
        return RollbackStrategy(way=StrategyKind.CODE, reason=proof)
    why_not = _why_not_code(evidence)
    revision = downgrade_target(evidence)
    hurdle = _downgrade_hurdle(evidence, revision)
    if not hurdle:
        return _downgrade(evidence, why_not, revision)
    why_not = f"{why_not}; {hurdle}"
    hurdle = _restore_hurdle(evidence)
    if hurdle or evidence.backup is None:
        return _forbidden(evidence, f"{why_not}; {hurdle}", restorable=False)
    if not evidence.restore:
        return _forbidden(evidence, why_not, restorable=True)
    return RollbackStrategy(
        way=StrategyKind.RESTORE,
        reason=f"{why_not}; the dump of {evidence.backup.taken_at:%Y-%m-%d %H:%M} UTC has the schema it needs",
        trial=evidence.trial,
        backup_path=evidence.backup.path,
        backup_sha256=evidence.backup.sha256,
    )


def _proof(evidence: RollbackEvidence) -> str:
    """Say why the target runs on the present schema; empty where nothing proves it."""
    if evidence.pending:
        return ""
    if not evidence.ahead and not evidence.untold:
        stays = "the database is at the revision it had while that release ran"
        return (
            stays if evidence.nameless and evidence.unmoved else "no migration lies between the two releases"
        )
    rehearsed = _rehearsed(evidence)
    if rehearsed is None:
        return _judged(evidence)
    return (
        f"proven on a copy: {evidence.target_id} became healthy on this schema in the rehearsal of "
        f"{rehearsed.rehearsed_at:%Y-%m-%d %H:%M} UTC"
        if rehearsed.proves_return
        else ""
    )


def _judged(evidence: RollbackEvidence) -> str:
    """Say what the verdicts on the migrations between prove; what nobody judged, a person may answer for."""
    if evidence.untold:
        return _insisted(evidence, "whatever ran between")
    if worst(evidence.judged).breaks:
        return ""
    if evidence.unjudged:
        return _insisted(evidence, f"{_named(evidence.unjudged)}, which were not judged")
    names = _named([one.id for one in evidence.ahead])
    return f"each migration between was judged harmless to earlier releases ({names})"


def _insisted(evidence: RollbackEvidence, what: str) -> str:
    return f"UNPROVEN: a person takes responsibility for {what}" if evidence.insist else ""


def _rehearsed(evidence: RollbackEvidence) -> RehearsalReceipt | None:
    """Return the newest rehearsal that started the target on the schema the database has now."""
    for receipt in evidence.rehearsals:
        after = as_revisions(receipt.revision_after)
        same = (
            after == tuple(sorted(evidence.stands_at))
            if after or evidence.stands_at
            else receipt.release_id == evidence.running_id
        )
        tried = receipt.migrated and receipt.old is not None and receipt.old.passed is not None
        if same and tried and receipt.running_release_id == evidence.target_id:
            return receipt
    return None


def _disproven(rehearsed: RehearsalReceipt | None) -> bool:
    return rehearsed is not None and rehearsed.old is not None and rehearsed.old.passed is False


def _why_not_code(evidence: RollbackEvidence) -> str:
    pending = evidence.pending
    if pending:
        names = _named([one.id for one in pending])
        return f"{evidence.target_id} needs {_count(pending)} the database lacks ({names})"
    rehearsed = _rehearsed(evidence)
    if rehearsed is not None and rehearsed.old is not None and _disproven(rehearsed):
        return (
            f"on a copy with this schema {evidence.target_id} failed: {one_line(rehearsed.old.reason, 160)}"
        )
    if evidence.untold:
        return "the application's migrations have no names, so it is not known which of them ran in between"
    return "; ".join(filter(None, (_obstacle(evidence, one) for one in evidence.ahead)))


def _obstacle(evidence: RollbackEvidence, revision: Revision) -> str:
    verdict = evidence.verdicts.get(revision.id)
    name = one_line(revision.id, 40)
    if verdict is None:
        return f"migration {name} was never judged"
    if not verdict.risk.breaks:
        return ""
    reasons = [finding.reason for finding in verdict.findings if finding.risk.breaks]
    return f"migration {name} is {verdict.risk}" + (f" ({one_line(reasons[0], 120)})" if reasons else "")


def _downgrade_hurdle(evidence: RollbackEvidence, revision: str | None) -> str:
    """Say what keeps the down-migrations from being run; empty where nothing does."""
    if evidence.pending:
        return "there is no down-migration to that revision"
    if evidence.untold or not evidence.can_downgrade:
        return "no command for down-migrations is known"
    if evidence.current is None:
        return "the database could not be asked for its revision, so no down-migration is run"
    if revision is None:
        return "its migrations have several heads, so no down-migration goes to all of them"
    return _strangers(evidence) or _failed_trial(evidence)


def _strangers(evidence: RollbackEvidence) -> str:
    own = {one.id for one in evidence.running}
    strangers = [one.id for one in evidence.ahead if one.id not in own]
    if not strangers:
        return ""
    return (
        f"{evidence.running_id or 'what runs'} does not know {_named(strangers)}, so it cannot take it back"
    )


def _failed_trial(evidence: RollbackEvidence) -> str:
    trial = evidence.trial
    if trial is not None and not trial.passed:
        return f"the down-migration failed on a copy: {one_line(trial.reason, 200)}"
    if trial is not None and trial.lost:
        return f"the down-migration would lose data: {one_line('; '.join(trial.lost), 200)}"
    return ""


def _downgrade(evidence: RollbackEvidence, why_not: str, revision: str | None) -> RollbackStrategy:
    tried = "tried on a copy of now, where they lost nothing (what the migrations themselves removed stays removed)"
    state = tried if evidence.trial is not None else "to be tried on a copy of now before anything is touched"
    return RollbackStrategy(
        way=StrategyKind.DOWNGRADE,
        reason=f"{why_not}; down-migrations to {one_line(revision or '', 40)}: {state}",
        to_revision=revision,
        trial=evidence.trial,
    )


def _restore_hurdle(evidence: RollbackEvidence) -> str:
    if evidence.backup is None:
        return f"no dump has the schema of {evidence.target_id}"
    if evidence.approvers < evidence.quorum:
        have = f"{evidence.environment} has {evidence.approvers} of the {evidence.quorum} approvers"
        return f"a restore over live data needs more approvers than there are: {have}"
    return ""


def _forbidden(evidence: RollbackEvidence, reason: str, *, restorable: bool) -> RollbackStrategy:
    backup = evidence.backup if restorable else None
    return RollbackStrategy(
        way=StrategyKind.FORBIDDEN,
        reason=reason,
        todo="; or ".join(_ways_out(evidence, restorable=restorable)),
        trial=evidence.trial,
        backup_path=backup.path if backup else None,
        backup_sha256=backup.sha256 if backup else None,
    )


def _ways_out(evidence: RollbackEvidence, *, restorable: bool) -> list[str]:
    environment, target = evidence.environment, evidence.target_id
    command = f"prefect deployment run rollback/{environment}" + (
        f" --param release={target}" if evidence.named else ""
    )
    ways: list[str] = []
    if evidence.pending:
        ways.append(
            f"promote it, which runs the migrations: `prefect deployment run promote/{environment} --param "
            f"ref={target}`"
        )
    elif _only_unjudged(evidence):
        ways.append(
            f"if you know that it runs on this schema: `{command} --param insist=true --param reason=WHY`, "
            "and its smoke checks decide"
        )
    if restorable:
        shown = f"sluice plan rollback {environment}" + (f" {target}" if evidence.named else "")
        ways.append(
            f"`{shown}` says what a restore would lose, and `{command} --param allow_restore=true "
            "--param requested_by=YOU --param reason=WHY` asks for it"
        )
    return ways or [f"fix it in a new release: `prefect deployment run promote/{environment} --param ref=…`"]


def _only_unjudged(evidence: RollbackEvidence) -> bool:
    """Say whether only knowledge is missing: nothing says that the target would fail."""
    return not evidence.pending and not _disproven(_rehearsed(evidence)) and not worst(evidence.judged).breaks


def _named(ids: Collection[str]) -> str:
    names = [one_line(one, 40) for one in ids]
    return ", ".join(names[:_MOST_NAMED]) + (
        f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    )


def _count(revisions: Sequence[Revision]) -> str:
    return "1 migration" if len(revisions) == 1 else f"{len(revisions)} migrations"


def end_words(strategy: RollbackStrategy, environment: str) -> str:
    """Say what became of the database after a rollback that took it along."""
    if strategy.way is StrategyKind.DOWNGRADE:
        return (
            f"its schema by down-migrations to {strategy.to_revision}, nothing lost; its smoke checks passed"
        )
    loss = strategy.loss
    how = f"its database as dumped {loss.taken_at:%Y-%m-%d %H:%M} UTC" if loss else "restored"
    undo = f"`prefect deployment run rollback/{environment} --param undo=true` asks to undo it"
    return f"{how}; its smoke checks passed; {undo}"
