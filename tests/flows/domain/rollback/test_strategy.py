"""How a rollback treats the database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.values.evidence import DrillReceipt, HealthProof, RehearsalReceipt
from blocks.values.receipts import BackupReceipt
from blocks.values.releases import Revision
from blocks.values.rollback import DowngradeTrial, RollbackStrategy, StrategyKind
from blocks.values.schema_changes import MigrationVerdict, Risk, SchemaFinding
from flows.domain.rollback.evidence import RollbackEvidence, as_revisions, fitting_backup, heads, most_rows
from flows.domain.rollback.strategy import decide_strategy
from tests.flows.domain.samples import HOSTILE, NOW, revisions

OLD, NEW = "r1", "r2"


def verdict(revision: str, risk: Risk, reason: str = "drops orders.note") -> MigrationVerdict:
    finding = SchemaFinding(risk=risk, statement="", reason=reason)
    return MigrationVerdict(revision=revision, risk=risk, findings=(finding,))


def backup(revision: str | None = "m1", *, entries: int | None = 9, minute: int = 0) -> BackupReceipt:
    return BackupReceipt(
        host="prod",
        path=f"/srv/backups/{minute}.dump",
        bytes=1,
        sha256="a" * 64,
        entries=entries,
        tables=1,
        revision=revision,
        taken_at=NOW + timedelta(minutes=minute),
        seconds=1.0,
    )


def rehearsal(*, old: bool | None = True, after: str | None = "m2", **changes: Any) -> RehearsalReceipt:
    drill = DrillReceipt(
        host="prod",
        backup_path="x",
        backup_sha256="a",
        tables=1,
        rows=1,
        restore_seconds=1.0,
        seconds=1.0,
        drilled_at=NOW,
    )
    values: dict[str, Any] = {
        "host": "prod",
        "release_id": NEW,
        "running_release_id": OLD,
        "revision_before": "m1",
        "revision_after": after,
        "migrated": True,
        "migrate_seconds": 1.0,
        "old": HealthProof(release_id=OLD, passed=old, reason="" if old else "backend is unhealthy"),
        "drill": drill,
        "seconds": 1.0,
        "rehearsed_at": NOW,
    }
    return RehearsalReceipt(**(values | changes))


def evidence(**changes: Any) -> RollbackEvidence:
    values: dict[str, Any] = {
        "environment": "prod",
        "target_id": OLD,
        "target": revisions("m1"),
        "running_id": NEW,
        "running": revisions("m1", "m2"),
        "current": ("m2",),
        "can_downgrade": True,
        "downgrades_to_base": True,
        "backup": backup(),
        "approvers": 3,
    }
    return RollbackEvidence(**(values | changes))


def decide(**changes: Any) -> RollbackStrategy:
    return decide_strategy(evidence(**changes))


def passed(**changes: Any) -> DowngradeTrial:
    return DowngradeTrial(**({"to_revision": "m1", "passed": True} | changes))


DESTRUCTIVE = {"m2": verdict("m2", Risk.DESTRUCTIVE)}
NO_DOWNGRADE = {"can_downgrade": False, "verdicts": DESTRUCTIVE}


def test_without_a_migration_between_only_the_code_goes_back() -> None:
    found = decide(running=revisions("m1"), current=("m1",))
    assert (found.way, found.reason) == (StrategyKind.CODE, "no migration lies between the two releases")


def test_a_database_that_was_not_read_stands_where_the_running_release_does() -> None:
    assert decide(current=None, running=revisions("m1")).way is StrategyKind.CODE
    found = decide(current=None)
    assert found.way is StrategyKind.FORBIDDEN
    assert "could not be asked for its revision" in found.reason


@pytest.mark.parametrize("risk", [Risk.ADDITIVE, Risk.LOCKING])
def test_harmless_migrations_let_the_code_go_back_alone(risk: Risk) -> None:
    found = decide(verdicts={"m2": verdict("m2", risk)})
    assert found.way is StrategyKind.CODE
    assert "harmless to earlier releases (m2)" in found.reason


def test_a_rehearsal_of_the_very_pair_proves_it_whatever_the_verdict() -> None:
    found = decide(rehearsals=(rehearsal(),), verdicts=DESTRUCTIVE)
    assert found.way is StrategyKind.CODE
    assert found.reason.startswith("proven on a copy: r1 became healthy on this schema")


@pytest.mark.parametrize(
    "changes",
    [
        {"after": "m3"},
        {"running_release_id": "r0"},
        {"old": None},
        {"migrated": False},
        {"after": None},
    ],
)
def test_a_rehearsal_of_something_else_proves_nothing(changes: dict[str, Any]) -> None:
    assert decide(rehearsals=(rehearsal(**changes),), verdicts=DESTRUCTIVE).way is StrategyKind.DOWNGRADE


def test_what_failed_on_the_copy_counts_more_than_a_harmless_verdict() -> None:
    found = decide(
        rehearsals=(rehearsal(old=False), rehearsal()),
        verdicts={"m2": verdict("m2", Risk.ADDITIVE)},
        can_downgrade=False,
    )
    assert found.way is StrategyKind.FORBIDDEN
    assert "on a copy with this schema r1 failed: backend is unhealthy" in found.reason
    assert "insist" not in found.todo


def test_a_downgrade_is_tried_before_it_is_decided() -> None:
    found = decide(verdicts=DESTRUCTIVE)
    assert (found.way, found.to_revision, found.trial) == (StrategyKind.DOWNGRADE, "m1", None)
    assert "migration m2 is destructive (drops orders.note)" in found.reason
    assert "to be tried on a copy of now" in found.reason
    found = decide(verdicts=DESTRUCTIVE, trial=passed())
    assert "they lost nothing" in found.reason


def test_all_of_alembics_migrations_can_be_taken_back() -> None:
    assert decide(target=(), running=revisions("m1"), current=("m1",)).to_revision == "base"
    found = decide(target=(), running=revisions("m1"), current=("m1",), downgrades_to_base=False)
    assert found.way is StrategyKind.FORBIDDEN


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"can_downgrade": False}, "no command for down-migrations is known"),
        ({"trial": passed(passed=False, reason="no such column")}, "failed on a copy: no such column"),
        ({"trial": passed(lost=("public.jobs with 3 rows",))}, "would lose data: public.jobs with 3 rows"),
        ({"current": ("m2", "x9")}, "r2 does not know x9, so it cannot take it back"),
        (
            {
                "current": ("m2", "n1"),
                "target": (Revision(id="m1"), Revision(id="n1")),
                "running": (*revisions("m1", "m2"), Revision(id="n1")),
            },
            "several heads",
        ),
    ],
)
def test_what_keeps_a_downgrade_from_being_run(changes: dict[str, Any], reason: str) -> None:
    found = decide(verdicts=DESTRUCTIVE, **changes)
    assert found.way is StrategyKind.FORBIDDEN
    assert reason in found.reason
    assert "--param allow_restore=true" in found.todo
    assert decide(verdicts=DESTRUCTIVE, restore=True, **changes).way is StrategyKind.RESTORE


def test_a_restore_is_never_what_a_bare_command_does() -> None:
    found = decide(**NO_DOWNGRADE)
    assert found.way is StrategyKind.FORBIDDEN
    assert found.backup_path == "/srv/backups/0.dump"
    assert found.todo == (
        "`sluice plan rollback prod` says what a restore would lose, and `prefect deployment run rollback/prod "
        "--param allow_restore=true --param requested_by=YOU --param reason=WHY` asks for it"
    )
    assert "--param release=r1" in decide(**NO_DOWNGRADE, named=True).todo
    asked = decide(**NO_DOWNGRADE, restore=True)
    assert (asked.way, asked.backup_sha256) == (StrategyKind.RESTORE, "a" * 64)


def test_a_restore_needs_a_dump_and_people() -> None:
    found = decide(**NO_DOWNGRADE, restore=True, backup=None)
    assert found.way is StrategyKind.FORBIDDEN
    assert "no dump has the schema of r1" in found.reason
    assert found.todo == "fix it in a new release: `prefect deployment run promote/prod --param ref=…`"
    found = decide(**NO_DOWNGRADE, restore=True, approvers=1)
    assert found.way is StrategyKind.FORBIDDEN
    assert "prod has 1 of the 2 approvers" in found.reason


def test_what_nobody_judged_is_a_persons_own_word() -> None:
    found = decide(can_downgrade=False, backup=None)
    assert found.way is StrategyKind.FORBIDDEN
    assert "migration m2 was never judged" in found.reason
    assert "--param insist=true" in found.todo
    found = decide(insist=True)
    assert found.way is StrategyKind.CODE
    assert found.reason.startswith("UNPROVEN")
    assert decide(insist=True, verdicts=DESTRUCTIVE).way is StrategyKind.DOWNGRADE
    assert decide(insist=True, rehearsals=(rehearsal(old=False),)).way is StrategyKind.DOWNGRADE


def test_migrations_without_names_are_known_from_rehearsals_alone() -> None:
    nameless: dict[str, Any] = {"target": (), "running": (), "current": None, "backup": None}
    assert decide(**nameless, migrates=False).way is StrategyKind.CODE
    found = decide(**nameless)
    assert found.way is StrategyKind.FORBIDDEN
    assert "have no names" in found.reason
    assert decide(**nameless, insist=True).way is StrategyKind.CODE
    assert decide(**nameless, rehearsals=(rehearsal(after=None),)).way is StrategyKind.CODE
    assert (
        decide(**nameless, rehearsals=(rehearsal(after=None, release_id="r9"),)).way is StrategyKind.FORBIDDEN
    )
    assert (
        decide(**nameless, rehearsals=(rehearsal(after=None, old=False),), insist=True).way
        is StrategyKind.FORBIDDEN
    )


def test_what_the_tool_told_counts_where_releases_name_no_migrations() -> None:
    nameless: dict[str, Any] = {"target": (), "running": (), "current": None, "backup": None}
    assert decide(**nameless, told=()).way is StrategyKind.CODE
    told = revisions("V2")
    assert decide(**nameless, told=told).way is StrategyKind.FORBIDDEN
    assert (
        decide(**nameless, told=told, verdicts={"V2": verdict("V2", Risk.ADDITIVE)}).way is StrategyKind.CODE
    )
    found = decide(**nameless, told=told, verdicts={"V2": verdict("V2", Risk.DESTRUCTIVE)}, insist=True)
    assert found.way is StrategyKind.FORBIDDEN


def test_a_database_at_the_revision_it_had_while_the_release_ran() -> None:
    at_boot: dict[str, Any] = {"target": (), "running": (), "current": ("0005",), "backup": None}
    found = decide(**at_boot, ran_on=(("0004",), ("0005",)))
    assert (found.way, "while that release ran" in found.reason) == (StrategyKind.CODE, True)
    assert decide(**at_boot, ran_on=(("0004",),)).way is StrategyKind.FORBIDDEN
    # Where releases name their migrations, those count.
    assert decide(ran_on=(("m2",),), verdicts=DESTRUCTIVE).way is StrategyKind.DOWNGRADE


def test_a_release_the_database_is_behind_is_promoted_or_restored() -> None:
    behind: dict[str, Any] = {"target": revisions("m1", "m2"), "target_id": NEW, "running": revisions("m1")}
    behind |= {"running_id": OLD, "current": ("m1",), "insist": True}
    found = decide(**behind, backup=None)
    assert found.way is StrategyKind.FORBIDDEN
    assert "r2 needs 1 migration the database lacks (m2)" in found.reason
    assert (
        found.todo
        == "promote it, which runs the migrations: `prefect deployment run promote/prod --param ref=r2`"
    )
    assert decide(**behind, backup=backup("m2"), restore=True).way is StrategyKind.RESTORE


def test_hostile_names_stay_on_one_line() -> None:
    hostile = {"m2": verdict("m2", Risk.OPAQUE, HOSTILE)}
    found = decide(verdicts=hostile, running=(*revisions("m1", "m2"),), can_downgrade=False)
    assert "\n" not in found.reason + found.todo


RISKS = st.sampled_from(sorted(Risk))


@given(
    st.lists(st.one_of(st.none(), RISKS), min_size=1, max_size=4),
    st.lists(
        st.tuples(
            st.sampled_from([True, False, None]),
            st.sampled_from(["m9", "last", None]),
            st.sampled_from([OLD, "r0"]),
            st.booleans(),
        ),
        max_size=3,
    ),
    st.one_of(st.none(), st.builds(passed, passed=st.booleans(), lost=st.sampled_from([(), ("x",)]))),
    st.builds(
        dict,
        can_downgrade=st.booleans(),
        restore=st.booleans(),
        insist=st.booleans(),
        approvers=st.integers(0, 4),
        quorum=st.integers(1, 4),
        backup=st.sampled_from([None, backup()]),
    ),
)
def test_nothing_is_done_without_evidence(
    risks: list[Risk | None],
    rehearsed: list[tuple[bool | None, str | None, str, bool]],
    trial: DowngradeTrial | None,
    changes: dict[str, Any],
) -> None:
    ids = [f"m{number}" for number in range(2, 2 + len(risks))]
    last = ids[-1]
    verdicts = {one: verdict(one, risk) for one, risk in zip(ids, risks, strict=True) if risk is not None}
    receipts = tuple(
        rehearsal(
            old=old, after=last if after == "last" else after, running_release_id=ran, migrated=migrated
        )
        for old, after, ran, migrated in rehearsed
    )
    found = decide(
        running=revisions("m1", *ids),
        current=(last,),
        verdicts=verdicts,
        rehearsals=receipts,
        trial=trial,
        **changes,
    )
    fitting = [
        one
        for one in receipts
        if one.migrated and one.running_release_id == OLD and one.revision_after == last
    ]
    told = [one.old.passed for one in fitting if one.old is not None and one.old.passed is not None]
    breaks = any(one.risk.breaks for one in verdicts.values())
    if found.way is StrategyKind.CODE:
        assert told[:1] == [True] or (
            not told and not breaks and (len(verdicts) == len(ids) or changes["insist"])
        )
    if found.way is StrategyKind.DOWNGRADE:
        assert changes["can_downgrade"]
        assert trial is None or trial.lossless
    if found.way is StrategyKind.RESTORE:
        assert changes["restore"]
        assert changes["approvers"] >= changes["quorum"]
        assert found.backup_path == "/srv/backups/0.dump"
    assert bool(found.todo) is (found.way is StrategyKind.FORBIDDEN)
    assert found.reason


def test_the_newest_dump_with_the_very_schema_fits() -> None:
    dumps = [(backup("m2", minute=3), NEW), (backup("m1", minute=2), OLD), (backup("m1", minute=1), OLD)]
    assert fitting_backup(dumps, OLD, revisions("m1")) == dumps[1][0]
    assert fitting_backup(dumps, "r0", revisions("m0")) is None
    nameless = [(backup(None, minute=2), NEW), (backup(None, minute=1), OLD)]
    assert fitting_backup(nameless, OLD, ()) == nameless[1][0]
    # After tables were dropped by mistake, a dump without one is newer than what is to come back.
    emptied = backup(None, minute=3).model_copy(update={"tables": 0, "why_empty": "URL of web leads to it"})
    assert fitting_backup([(emptied, OLD), *nameless], OLD, ()) == nameless[1][0]
    assert fitting_backup([(emptied, OLD)], OLD, ()) == emptied
    # One of the version before may hold none, too.
    before = backup(None, minute=3).model_copy(update={"tables": None})
    assert fitting_backup([(before, OLD)], OLD, ()) is None
    # A team's own command makes dumps that only the team can restore.
    assert fitting_backup([(backup("m1", entries=None), OLD)], OLD, revisions("m1")) is None


def test_small_parts() -> None:
    assert heads(()) == ()
    assert heads((*revisions("a", "b"), Revision(id="c", down=("a",)))) == ("b", "c")
    assert as_revisions(None) == as_revisions(" , ") == ()
    assert as_revisions("b, a") == ("a", "b")
    assert (most_rows(0), most_rows(7), most_rows(5000)) == (100, 107, 10_000)
