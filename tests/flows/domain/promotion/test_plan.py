"""The plan's parts, and what its hash covers."""

from __future__ import annotations

import difflib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.pipeline.sections import Migration
from blocks.values.plans import KeyChange, Plan
from blocks.values.rollback import RollbackStrategy, StrategyKind
from blocks.values.schema_changes import Risk
from flows.domain.approvals.values import ApprovalPolicy
from flows.domain.database.schema import UnknownRevisionError
from flows.domain.promotion.plan import (
    PlanFacts,
    compose_diff,
    is_told,
    key_change,
    make_plan,
    must_migrate,
)
from tasks.kernel.redact import MASK
from tests.flows.domain.database.evidence_samples import rehearsal, verdict
from tests.flows.domain.samples import commit, image, plan, release, revisions

RUNNING = release(id="20261101000000-aaaaaaaaaaaa", images=(image(digest="9"),), revisions=revisions("a1"))
ESTIMATES = {"expected_seconds", "database_bytes"}


def facts(**changes: Any) -> PlanFacts:
    values: dict[str, Any] = {
        "environment": "prod",
        "release": release(),
        "running": RUNNING,
        "commits": (commit(),),
        "compose": {"compose.yaml": "image: b\npassword: hunter22\n"},
        "compose_running": {"compose.yaml": "image: a\npassword: hunter22\n"},
        "required_keys": ("A", "B"),
        "required_keys_running": ("A", "C"),
        "present_keys": ("A",),
        "current": ("a1",),
        "backup": True,
        "policy": ApprovalPolicy(required=1, approvers=("ada",)),
        "policy_checksum": "c",
        "expected_seconds": 3.0,
        "database_bytes": 9,
    }
    return PlanFacts(**(values | changes))


@pytest.mark.parametrize(
    ("migration", "named", "asked", "known"),
    [
        (None, (), True, True),
        (Migration(service="a", command=("alembic", "upgrade", "head")), ("a1",), False, True),
        (Migration(service="a", command=("alembic", "upgrade", "head")), (), True, True),
        (Migration(service="a", command=("alembic", "upgrade", "head")), (), False, False),
        (Migration(service="a", command=("up",), revisions=("pending",)), (), True, True),
        (Migration(service="a", command=("up",), revisions=("pending",)), (), False, False),
        (Migration(service="a", command=("flask", "db", "upgrade")), (), True, False),
        (Migration(service="a", at_boot=True), (), True, False),
    ],
)
def test_what_nobody_was_asked_about_is_not_none(
    migration: Migration | None, named: tuple[str, ...], asked: bool, known: bool
) -> None:
    made = make_plan(facts(told=is_told(migration, revisions(*named), asked=asked)))
    assert made.pending_known is known


def test_a_plan_says_what_would_change() -> None:
    made = make_plan(facts(), secrets={"hunter22"})
    assert made.running_release_id == RUNNING.id
    assert made.images_changed == ("backend", "frontend")
    assert [revision.id for revision in made.pending] == ["b2"]
    assert made.revision == "a1"
    assert made.key_changes == KeyChange(missing=("B",), added=("B",), removed=("C",))
    assert made.compose_diff == (
        f"--- a/compose.yaml\n+++ b/compose.yaml\n@@ -1,3 +1,3 @@\n-image: a\n+image: b\n password: {MASK}\n "
    )
    assert (made.approvals_required, made.approvers, made.policy_checksum) == (1, ("ada",), "c")
    assert (made.backup, made.expected_seconds, made.database_bytes) == (True, 3.0, 9)


def test_the_first_release_changes_everything() -> None:
    made = make_plan(facts(running=None, current=None, compose_running={}, required_keys_running=()))
    assert made.running_release_id is None
    assert made.images_changed == ("backend", "frontend")
    assert [revision.id for revision in made.pending] == ["a1", "b2"]
    assert made.revision is None
    assert made.key_changes.added == ("A", "B")


def test_a_rollback_runs_no_migration_and_tells_what_the_database_is_ahead_by() -> None:
    back = facts(release=RUNNING, running=release(), current=("b2",), migrates=False)
    made = make_plan(back)
    assert made.pending == ()
    assert [revision.id for revision in made.ahead] == ["b2"]


def test_a_rollback_with_an_unread_database_goes_by_the_running_release() -> None:
    made = make_plan(facts(release=RUNNING, running=release(), current=None, migrates=False))
    assert [revision.id for revision in made.ahead] == ["b2"]
    assert make_plan(facts(running=None, current=None, migrates=False)).ahead == ()


def test_a_second_rollback_still_knows_what_the_first_left() -> None:
    known = revisions("a1", "b2", "c3")
    made = make_plan(facts(release=RUNNING, running=release(), current=("c3",), known=known, migrates=False))
    assert [revision.id for revision in made.ahead] == ["b2", "c3"]


def test_an_unknown_revision_stops_a_promotion() -> None:
    with pytest.raises(UnknownRevisionError):
        make_plan(facts(current=("x",)))


def test_two_heads_are_both_told() -> None:
    made = make_plan(facts(current=("b2", "a1")))
    assert made.revision == "a1, b2"


def test_only_changed_images_of_others_are_named() -> None:
    before = release(third_party={"db": "postgres:17", "cache": "redis:7"})
    after = release(third_party={"db": "postgres:18", "cache": "redis:7", "mail": "mail:1"})
    assert make_plan(facts(running=before, release=after)).third_party_changed == ("db", "mail")
    assert make_plan(facts(running=None, release=before)).third_party_changed == ("cache", "db")


def test_only_changed_images_are_named() -> None:
    assert make_plan(facts(running=release())).images_changed == ()
    assert make_plan(facts(running=release(images=(image(),)))).images_changed == ("frontend",)


NAMES = st.sets(st.sampled_from("ABCDE"))


@given(NAMES, NAMES, NAMES)
def test_key_changes(required: set[str], before: set[str], present: set[str]) -> None:
    change = key_change(required, before, present)
    assert set(change.missing) == required - present
    assert (before | set(change.added)) - set(change.removed) == required
    assert list(change.added) == sorted(change.added)


TEXTS = st.text(alphabet="ab\n", max_size=20)


@given(st.dictionaries(st.sampled_from(["x.yml", "y.yml"]), TEXTS), TEXTS)
def test_a_diff_is_empty_exactly_when_nothing_differs(files: dict[str, str], text: str) -> None:
    assert compose_diff(files, files, secrets=()) == ""
    after = files | {"x.yml": text}
    changed = text != files.get("x.yml", "")
    diff = compose_diff(files, after, secrets=())
    assert bool(diff) is changed
    expected = difflib.unified_diff(
        files.get("x.yml", "").split("\n"), text.split("\n"), "a/x.yml", "b/x.yml", lineterm=""
    )
    assert diff == "\n".join(expected)


@pytest.mark.timeout(20)
def test_who_writes_a_long_compose_file_does_not_choose_how_long_comparing_takes() -> None:
    """Lines that come again and again, in another order; the lease is held meanwhile."""
    lines = [f"  - x{number % 101}" for number in range(20_000)]
    before, after = "\n".join(["a", *lines, "z"]), "\n".join(["a", *reversed(lines), "z"])
    diff = compose_diff({"c": before}, {"c": after}, secrets=()).split("\n")
    assert diff[:4] == ["--- a/c", "+++ b/c", "@@ -2,20000 +2,20000 @@", "-  - x0"]
    assert (diff[-1], len(diff)) == ("+  - x0", 40_003)
    changed = before.replace("x7\n", "y\n", 1)
    assert compose_diff({"c": before}, {"c": changed}, secrets=()).split("\n")[2:] == [
        "@@ -9,1 +9,1 @@",
        "-  - x7",
        "+  - y",
    ]
    assert compose_diff({"c": before}, {"c": before}, secrets=()) == ""
    assert len(compose_diff({"c": before}, {}, secrets=()).split("\n")) == 20_006


@given(
    st.lists(st.text(alphabet="s3cr•e\n ", min_size=1, max_size=12), min_size=1, max_size=4),
    st.text(alphabet="s3cr e\n", max_size=30),
)
def test_no_secret_is_in_a_diff(secrets: list[str], text: str) -> None:
    around = f"{text}{secrets[0]}{text}"
    diff = compose_diff({}, {"compose.yaml": around}, secrets=secrets)
    body = "\n".join(line[1:] for line in diff.split("\n")[3:] if line.startswith("+"))
    # What a mark is made of cannot hide behind it, and a secret of spaces is none.
    for secret in secrets:
        if "•" not in secret and secret.strip():
            assert secret not in body


def test_each_line_of_a_key_is_redacted() -> None:
    key = "-----BEGIN-----\nMIIEvQIB\n-----END-----"
    indented = "\n".join(f"      {line}" for line in key.split("\n"))
    diff = compose_diff({}, {"c": f"configs:\n{indented}"}, secrets={key, ""})
    assert "MIIEvQIB" not in diff
    assert "configs:" in diff


OTHER: dict[str, Any] = {
    "pipeline": "other",
    "environment": "staging",
    "release_id": "other",
    "running_release_id": None,
    "commit": commit(subject="Other"),
    "commits": (),
    "commits_leaving": (commit(),),
    "images": (image(digest="f"),),
    "images_changed": (),
    "third_party": {"db": "postgres:18"},
    "third_party_changed": ("db",),
    "compose_diff": "+x",
    "key_changes": KeyChange(),
    "revision": None,
    "told": False,
    "pending": (),
    "ahead": revisions("z"),
    "verdicts": (verdict(Risk.DESTRUCTIVE),),
    "rehearsal": rehearsal(),
    "override": "agreed",
    "going_back": RollbackStrategy(way=StrategyKind.CODE, reason="no migration lies between"),
    "backup": False,
    "approvals_required": 1,
    "approvers": ("ben", "ada", "cleo"),
    "policy_checksum": "d",
    "description_checksum": "e",
    "expected_seconds": None,
    "database_bytes": None,
}


@given(st.sets(st.sampled_from(sorted(Plan.model_fields))))
def test_the_hash_changes_exactly_when_something_approved_of_does(fields: set[str]) -> None:
    changed = plan(**{name: OTHER[name] for name in fields})
    assert (changed.hash == plan().hash) is (fields <= ESTIMATES)


def test_an_update_of_sluice_leaves_the_hash_as_it_was() -> None:
    # As version b685396 made them: what people answered before the update counts for the same plan after it.
    assert plan().hash == "9a54d97f1ca1eea05a20e4b4594e47d72a6ce126ef27de1f928a4053eeb38b6c"
    rehearsed = plan(rehearsal=rehearsal(), verdicts=(verdict(Risk.DESTRUCTIVE),))
    assert rehearsed.hash == "9294d0e9ec756497ac237b5580cdc51c5225809c7d0d395a7d0824de6b1b258a"


def test_the_hash_survives_the_ledger() -> None:
    assert Plan.from_json(plan().to_json()).hash == plan().hash


def test_a_secret_that_begins_like_another_leaves_no_rest() -> None:
    diff = compose_diff({}, {"c": "a: hunter2\nb: hunter22x"}, secrets=["hunter2", "hunter22x"])
    assert f"+a: {MASK}\n+b: {MASK}" in diff


@pytest.mark.parametrize(
    ("command", "known", "revision", "pending", "expected"),
    [
        (("alembic", "upgrade", "head"), "ab", "b", "", False),
        (("/opt/venv/bin/alembic", "-c", "x.ini", "upgrade", "head"), "ab", "b", "", False),
        (("alembic", "upgrade", "head"), "ab", "a", "b", True),
        (("alembic", "upgrade", "head"), "ab", None, "", True),
        (("alembic", "upgrade", "head"), "", "b", "", True),
        (("./manage.py", "migrate"), "ab", "b", "", True),
        (("alembic", "stamp", "head"), "ab", "b", "", True),
    ],
)
def test_only_alembic_with_nothing_pending_is_left_out(
    command: tuple[str, ...], known: str, revision: str | None, pending: str, expected: bool
) -> None:
    migration = Migration(service="backend", command=command)
    changed = plan(revision=revision, pending=revisions(*pending))
    assert must_migrate(changed, revisions(*known), only_upgrades=migration.only_upgrades) is expected
