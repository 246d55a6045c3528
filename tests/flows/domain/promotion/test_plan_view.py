"""The plan as people read it; nothing from outside becomes markup."""

from __future__ import annotations

import re
from functools import reduce
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from blocks.pipeline import load_pipeline
from blocks.values.plans import KeyChange
from blocks.values.releases import Image, Revision
from flows.domain.approvals.values import QuorumState, policy_of
from flows.domain.database.verdicts import pending_unknown
from flows.domain.promotion.approval_form import form_description
from flows.domain.promotion.plan_view import plan_markdown, plan_text
from tests.flows.domain.samples import HOSTILE, commit, image, plan, revisions
from tests.flows.domain.words.test_text import ANY

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")


def inlines(tokens: list[Token]) -> list[str]:
    return ["".join(child.content for child in token.children or []) for token in tokens]


def text_of(source: str) -> str:
    return "\n".join(inlines([token for token in MARKDOWN.parse(source) if token.type == "inline"]))


def test_what_is_not_known_is_not_called_none() -> None:
    unknown = plan(pending=(), verdicts=(pending_unknown("the tool failed"),))
    assert "not known; some may run" in text_of(plan_markdown(unknown))
    assert "which migrations are pending is not known: the tool failed" in text_of(plan_markdown(unknown))
    assert ("migrations", "not known; some may run") in plan_text(unknown)
    assert ("migrations", "none") in plan_text(plan(pending=()))


def test_a_plan_tells_everything_a_person_decides_on() -> None:
    shown = text_of(plan_markdown(plan()))
    for part in (
        "shop 1f3c2ab → prod",
        "1f3c2ab Take orders (Ada)",
        "20261101000000-aaaaaaaaaaaa",
        "1 of 2 change",
        "1 would run; the database is at a1",
        "taken first, database of 102 MB",
        "about 1 min 15 s",
        "2 of ada, ben, cleo",
        plan().hash[:12],
        "New commits (1)",
        "2026-11-21 05:33",
        "backend, backend-worker",
        "aaaaaaaaaaaa",
        "step b2",
        "STRIPE_KEY",
        "Compose files",
    ):
        assert part in shown
    assert "```diff\n--- a/compose.yaml" in plan_markdown(plan())
    assert "Commits that are removed" not in shown


def test_images_of_others_are_told_with_their_digest_or_without() -> None:
    one = plan(
        third_party={"db": f"postgres:17@sha256:{'c' * 64}", "cache": "redis:7"}, third_party_changed=("db",)
    )
    shown = text_of(plan_markdown(one))
    assert "postgres:17\ndb\ncccccccccccc\nchanges" in shown
    assert "redis:7\ncache\nnot known, the tag counts\nsame" in shown
    rows = dict(plan_text(one))
    assert rows["image db"] == "postgres:17 cccccccccccc changes"
    assert rows["image cache"] == "redis:7 by its tag same"


def test_a_plan_with_nothing_in_it_says_so() -> None:
    bare = plan(
        running_release_id=None,
        commits=(),
        images=(),
        images_changed=(),
        compose_diff="",
        key_changes=KeyChange(),
        revision=None,
        pending=(),
        backup=False,
        approvals_required=0,
        approvers=(),
        expected_seconds=None,
        database_bytes=None,
    )
    shown = text_of(plan_markdown(bare))
    for part in ("Runs now\nnothing", "Migrations\nnone", "Backup\nnone", "not known yet", "none needed"):
        assert part in shown
    assert "###" not in plan_markdown(bare)


def test_a_rollbacks_plan_tells_what_the_schema_keeps() -> None:
    shown = text_of(plan_markdown(plan(pending=(), ahead=revisions("c3"), commits_leaving=(commit(),))))
    assert "none, 1 more than this release knows; the database is at a1" in shown
    assert "Migrations that the database has but this release does not know (1)" in shown
    assert "Commits that are removed (1)" in shown


def test_a_long_list_is_cut_and_counted() -> None:
    shown = text_of(plan_markdown(plan(commits=(commit(),) * 53)))
    assert "New commits (53)" in shown
    assert "… and 3 more" in shown


def test_a_backup_of_unknown_size_and_a_policy_without_people() -> None:
    shown = text_of(plan_markdown(plan(database_bytes=None, approvers=())))
    assert "Backup\ntaken first\n" in shown
    assert "2 of nobody" in shown


def allowed(tokens: list[Token]) -> set[str]:
    return {child.type for token in tokens if token.type == "inline" for child in token.children or []}


@given(ANY, st.lists(ANY, min_size=1, max_size=3))
def test_nothing_from_outside_becomes_markup(text: str, lines: list[str]) -> None:
    """The same tokens, whatever the texts say: no row, link, tag, heading or block is added."""
    outside = plan(
        pipeline=f"p{text}",
        environment=f"e{text}",
        release_id=f"r{text}",
        running_release_id=f"r{text}",
        commit=commit(subject=text, author_name=text),
        commits=(commit(subject=text, author_name=text, author_email=text),),
        images=(Image(target=f"t{text}", repository=text, digest=f"d{text}", services=(f"s{text}",)),),
        key_changes=KeyChange(missing=(f"K{text}",)),
        revision=f"v{text}",
        pending=(Revision(id=f"i{text}", message=text),),
        approvers=(f"a{text}",),
        compose_diff="\n".join(["+x", *lines]),
    )
    safe = plan(
        images=(image(),), key_changes=KeyChange(missing=("K",)), pending=revisions("i"), images_changed=()
    )
    state = QuorumState(approved=False, rejected=False, have=0, need=2, missing=(f"a{text}",))
    source = form_description(outside, state, f"x{text}")
    shown = MARKDOWN.parse(source)
    plain = MARKDOWN.parse(form_description(safe, state.model_copy(update={"missing": ("a",)}), "x"))
    # The longest fence may be followed by notes of our own.
    kinds = [token.type for token in shown]
    assert kinds[: len(plain)] == [token.type for token in plain]
    assert set(kinds[len(plain) :]) <= {"paragraph_open", "inline", "paragraph_close"}
    assert allowed(shown) <= {
        "text",
        "strong_open",
        "strong_close",
        "code_inline",
        "text_special",
        "softbreak",
    }
    assert not any(opener in source for opener in ("{{", "{%", "{#"))


def test_a_hostile_subject_is_shown_as_it_is() -> None:
    source = plan_markdown(plan(commits=(commit(subject=HOSTILE),)))
    assert "<img" not in source
    assert "\u202e" not in source
    assert "x`|<img src=x onerror=alert(1)>{{ 7*7 }}" in text_of(source)


def test_the_terminal_gets_one_printable_line_for_each_fact() -> None:
    everything = plan(
        commits=(commit(subject=f"\x1b[2J{HOSTILE}"),),
        commits_leaving=(commit(),),
        ahead=revisions("c3"),
        key_changes=KeyChange(missing=("A",), added=("B",), removed=("C",)),
    )
    rows = plan_text(everything)
    assert all(line.isprintable() or "\ufffd" in line for _, line in rows)
    assert not any("\n" in line or "\x1b" in line for _, line in rows)
    summary = "release,environment,runs now,images,migrations,backup,expected,approvals,plan"
    lists = "commit,commit out,image backend,image frontend,migration,migration ahead"
    keys = "key missing,key added,key removed"
    names = f"{summary},{lists},{keys}".split(",")
    assert [name for name, _ in rows] == [*names, *["compose"] * 5]
    assert ("image backend", "aaaaaaaaaaaa changes (backend, backend-worker)") in rows
    assert ("image frontend", "bbbbbbbbbbbb same (frontend, frontend-worker)") in rows
    assert ("commit out", "1f3c2ab Take orders (Ada)") in rows


def test_the_terminal_says_what_there_is_not() -> None:
    rows = dict(plan_text(plan(running_release_id=None)))
    assert rows["runs now"] == "nothing"


def test_the_form_says_what_became_of_the_last_answer_and_who_is_asked() -> None:
    state = QuorumState(approved=False, rejected=False, have=1, need=2, by=("ada",), missing=("ben", "cleo"))
    shown = text_of(form_description(plan(), state, "the one-time code is wrong"))
    assert "The last answer did not count: the one-time code is wrong." in shown
    assert "1 of 2 approvals are given (ada). May still answer: ben, cleo." in shown


def test_the_form_names_the_authors_and_what_to_do_where_too_few_are_left() -> None:
    state = QuorumState(approved=False, rejected=False, have=1, need=2, by=("ada",), missing=("ben", "cleo"))
    shown = text_of(form_description(plan(), state, authors=("ben",)))
    assert "Wrote a commit that comes in, and so may only reject: ben.\n" in shown
    assert "cannot come in" not in shown
    shown = text_of(form_description(plan(), state, authors=("ben", "cleo")))
    assert "may only reject: ben, cleo.\n" in shown
    assert "So the approvals cannot come in. Do one of these, then start it again: add other people" in shown
    assert "may only reject" not in text_of(form_description(plan(), state))


ADD = "add other people to environments.prod.approvals.approvers"
OFF = "set environments.prod.approvals.not_author: false until this release is in"
OTHER = "have somebody else ask for it"


@pytest.mark.parametrize(
    ("need", "authors", "requester", "ways"),
    [
        (2, ("ben",), (), None),
        (2, (), ("cleo",), None),
        (2, ("ben",), ("cleo",), [ADD, OFF, OTHER]),
        # Three people who all wrote some of it: nobody else who asks would help.
        (2, ("ada", "ben", "cleo"), ("cleo",), [ADD, OFF]),
        (3, (), ("cleo",), [ADD, OTHER]),
        (3, ("ben",), ("cleo",), [ADD, f"{OFF}, and {OTHER}"]),
        (4, ("ben",), ("cleo",), [ADD]),
        (2, None, (), [OFF]),
        (2, None, ("cleo",), [OFF]),
        (3, None, ("cleo",), [f"{OFF}, and {OTHER}"]),
        (4, None, (), [f"{OFF}, and {ADD}"]),
    ],
)
def test_where_the_approvals_cannot_come_in_each_way_out_is_one(
    need: int, authors: tuple[str, ...] | None, requester: tuple[str, ...], ways: list[str] | None
) -> None:
    state = QuorumState(approved=False, rejected=False, have=0, need=need, missing=("ada", "ben", "cleo"))
    shown = text_of(form_description(plan(environment="prod"), state, authors=authors, requester=requester))
    assert ("Asked for it, and so may only reject: cleo.\n" in shown) is bool(requester)
    unknown = "Not all authors of what comes in are known, and so nobody may approve.\n"
    assert (unknown in shown) is (authors is None)
    found = re.search(r"cannot come in\. Do one of these, then start it again: (.*?)\. The keys", shown)
    assert (found[1].split("; ") if found else None) == ways


def test_the_key_that_lets_a_first_release_in_is_the_one_that_pipeline_yaml_has() -> None:
    state = QuorumState(approved=False, rejected=False, have=0, need=1, missing=("ben",))
    shown = form_description(plan(environment="prod"), state, authors=("ben",))
    path, value = re.findall(r"set `([a-z_.]+): (\w+)` until this release is in", shown)[0]
    pipeline: dict[str, Any] = {
        "pipeline": "shop",
        "environments": {"prod": {"hosts": "prod", "branches": "main", "approvals": {"approvers": ["ben"]}}},
    }
    for off in (False, True):
        if off:
            *parents, key = path.split(".")
            reduce(lambda found, name: found[name], parents, pipeline)[key] = yaml.safe_load(value)
        approvals = load_pipeline(yaml.safe_dump(pipeline)).policy("prod").approvals
        assert policy_of(approvals).exclude_author is not off


def test_the_first_form_tells_no_refusal() -> None:
    state = QuorumState(approved=False, rejected=False, have=0, need=1)
    shown = text_of(form_description(plan(), state))
    assert shown.startswith("0 of 1 approvals are given.\n")
