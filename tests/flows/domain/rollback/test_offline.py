"""Where a rollback goes when only a host's memory is left."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.values.lifecycle import Kind
from blocks.values.manifests import Manifest
from blocks.values.offline import HostMemory, LiveRelease
from blocks.values.schema_changes import MigrationVerdict, Risk
from flows.domain.rollback.offline import OfflinePlan, half_gone_back, look_ahead
from tests.flows.domain import samples
from tests.flows.domain.rollback.test_strategy import rehearsal
from tests.flows.domain.samples import NOW, commit, release, revisions


def manifest(name: str, *migrations: str, previous: str | None = None, minute: int = 0) -> Manifest:
    one = release(id=name, commit=commit(name.ljust(40, "0")), revisions=revisions(*migrations))
    return samples.manifest(
        minute,
        release=one,
        previous_release_id=previous,
        services=("backend",),
        staged_at=NOW + timedelta(minutes=minute),
    )


def live(name: str, minute: int, **changes: Any) -> LiveRelease:
    values = {"release_id": name, "at": NOW + timedelta(minutes=minute), "kind": Kind.PROMOTE}
    return LiveRelease(**(values | {"promotion_id": minute} | changes))


def memory(current: str | None, lines: list[LiveRelease], *kept: Manifest) -> HostMemory:
    return HostMemory(current=current, live=tuple(lines), manifests={one.release.id: one for one in kept})


def ahead(
    known: HostMemory,
    wanted: str = "",
    *,
    insist: bool = False,
    migrates: bool = True,
    revision: tuple[str, ...] | None = None,
) -> OfflinePlan:
    return look_ahead(wanted, known, environment="prod", migrates=migrates, revision=revision, insist=insist)


def target(found: OfflinePlan) -> str | None:
    return found.target.release.id if found.target else None


A, B, C = manifest("aaaa", "m1"), manifest("bbbb", "m1", minute=1), manifest("cccc", "m1", minute=2)


def test_the_newest_before_the_present_one_is_chosen() -> None:
    found = ahead(memory("cccc", [live("aaaa", 1), live("bbbb", 2), live("cccc", 3)], A, B, C))
    assert (target(found), found.left) == ("bbbb", C)
    assert (found.warnings, found.refused) == ((), "")
    assert "no migration lies between" in found.reason


def test_a_release_that_was_staged_and_never_ran_is_passed_over() -> None:
    assert target(ahead(memory("cccc", [live("aaaa", 1), live("cccc", 3)], A, B, C))) == "aaaa"


def test_a_release_whose_bundle_is_gone_is_passed_over() -> None:
    assert target(ahead(memory("cccc", [live("aaaa", 1), live("bbbb", 2), live("cccc", 3)], A, C))) == "aaaa"


def test_a_promotion_that_was_cut_leads_back_to_the_last_that_ran() -> None:
    known = memory("cccc", [live("aaaa", 1), live("bbbb", 2)], A, B, C)
    assert half_gone_back(known) is None
    assert target(ahead(known)) == "bbbb"


def test_a_rollback_that_was_cut_is_carried_on() -> None:
    known = memory("bbbb", [live("aaaa", 1), live("bbbb", 2), live("cccc", 3)], A, B, C)
    found = ahead(known)
    assert (target(found), found.left) == ("bbbb", C)
    assert "is continued" in found.warnings[0]
    assert ahead(known, "bbbb").left == C
    assert (target(ahead(known, "cccc")), ahead(known, "cccc").left) == ("cccc", B)
    assert target(ahead(known, "aaaa")) == "aaaa"


def test_a_held_release_comes_back_only_by_name_and_insistence() -> None:
    known = memory("aaaa", [live("aaaa", 1), live("bbbb", 2), live("aaaa", 3, held=("bbbb",))], A, B)
    assert "no earlier good release" in ahead(known).refused
    assert "no earlier good release" in ahead(known, insist=True).refused
    assert "is on hold" in ahead(known, "bbbb").refused
    assert target(ahead(known, "bbbb", insist=True)) == "bbbb"


def test_without_its_own_memory_what_ran_before_is_chosen_and_told() -> None:
    failed = manifest("dddd", "m1", previous="aaaa", minute=3)
    current = manifest("eeee", "m1", previous="aaaa", minute=4)
    found = ahead(memory("eeee", [], A, failed, current))
    assert target(found) == "aaaa"
    assert "does not remember" in found.warnings[0]
    assert target(ahead(memory("eeee", [], A, failed, current), "dddd")) == "dddd"


def test_a_host_that_knows_nothing_is_refused() -> None:
    assert ahead(HostMemory()).refused != ""


def test_the_present_release_is_no_target() -> None:
    assert "nothing to do" in ahead(memory("bbbb", [live("aaaa", 1), live("bbbb", 2)], A, B), "bbbb").refused


D = manifest("dddd", "m1", "m2", minute=3)


def verdicts(risk: Risk) -> tuple[MigrationVerdict, ...]:
    return (MigrationVerdict(revision="m2", risk=risk),)


@pytest.mark.parametrize("risk", list(Risk))
def test_what_was_judged_decides(risk: Risk) -> None:
    known = memory("dddd", [live("aaaa", 1), live("dddd", 2, verdicts=verdicts(risk))], A, D)
    found = ahead(known, insist=True)
    if risk.breaks:
        assert f"m2 is {risk}" in found.refused
    else:
        assert target(found) == "aaaa"
        assert "stays ahead of aaaa by m2" in found.warnings[0]


def test_what_nobody_judged_needs_insistence() -> None:
    known = memory("dddd", [live("aaaa", 1), live("dddd", 2)], A, D)
    assert "--insist" in ahead(known).refused
    assert target(ahead(known, insist=True)) == "aaaa"
    assert "UNPROVEN" in ahead(known, insist=True).warnings[0]


def test_a_migration_run_by_hand_is_seen_in_the_database() -> None:
    known = memory("cccc", [live("aaaa", 1), live("cccc", 2)], A, C, D)
    assert target(ahead(known, revision=("m1",))) == "aaaa"
    assert "m2" in ahead(known, revision=("m2",)).refused


def test_a_rehearsal_proves_the_return() -> None:
    proof = rehearsal(after="m2").model_copy(update={"release_id": "dddd", "running_release_id": "aaaa"})
    lines = [live("aaaa", 1), live("dddd", 2, verdicts=verdicts(Risk.DESTRUCTIVE), rehearsal=proof)]
    assert target(ahead(memory("dddd", lines, A, D))) == "aaaa"


def test_a_release_that_needs_more_than_the_database_has_is_refused() -> None:
    known = memory("aaaa", [live("dddd", 1), live("aaaa", 2)], A, D)
    assert "needs migrations the database lacks (m2)" in ahead(known, insist=True, revision=("m1",)).refused


def test_migrations_without_names_need_insistence() -> None:
    one, two = manifest("aaaa"), manifest("bbbb", minute=1)
    known = memory("bbbb", [live("aaaa", 1), live("bbbb", 2)], one, two)
    assert target(ahead(known, migrates=False)) == "aaaa"
    assert "--insist" in ahead(known).refused


names = st.sampled_from(["aaaa", "bbbb", "cccc", "dddd", "gone"])


@given(
    current=names | st.none(),
    lines=st.lists(st.builds(live, names, st.integers(0, 9), held=st.sets(names).map(tuple)), max_size=6),
    wanted=st.just("") | names,
    insist=st.booleans(),
)
def test_it_never_goes_where_it_may_not(
    current: str | None, lines: list[LiveRelease], wanted: str, insist: bool
) -> None:
    known = memory(current, lines, A, B, C, D)
    found = ahead(known, wanted, insist=insist)
    assert (found.target is None) == bool(found.refused)
    if found.target is None:
        return
    assert found.target.release.id in known.manifests
    assert found.left is None or found.left.release.id != found.target.release.id
    if lines and not (insist and wanted):
        assert found.target.release.id not in lines[-1].held or half_gone_back(known)
