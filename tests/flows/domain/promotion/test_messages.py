"""Notifications are plain and short enough."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from flows.domain.approvals.values import QuorumState
from flows.domain.promotion.messages import (
    LIMIT,
    Subject,
    cut,
    failed,
    restored,
    rolled_back,
    succeeded,
    waiting,
)
from tests.flows.domain.samples import HOSTILE, commit, plan

SUBJECT = Subject(
    pipeline="shop",
    environment="prod",
    release_id="r2",
    commit="1f3c2ab",
    title="Take orders",
    requested_by="zoe",
    link="https://sluice.example.com/runs/1",
)
BARE = Subject(pipeline="shop", environment="prod", release_id="r2", commit="1f3c2ab")
QUORUM = QuorumState(approved=False, rejected=False, have=1, need=2, missing=("ben",))


def test_waiting_names_what_and_whom() -> None:
    assert waiting(SUBJECT, plan(), QUORUM) == (
        "Approval needed: shop 1f3c2ab Take orders → prod, asked for by zoe\n"
        "1 of 2 approvals are given; asked: ben\n"
        "- Take orders\n"
        "1 migrations, 1 of 2 images change\n"
        f"Plan {plan().hash[:12]}\n"
        "https://sluice.example.com/runs/1"
    )


def test_waiting_counts_what_it_leaves_out() -> None:
    nobody = QUORUM.model_copy(update={"missing": ()})
    text = waiting(BARE, plan(commits=(commit(),) * 13), nobody)
    assert text.count("- Take orders") == 10
    assert "… and 3 more commits" in text
    assert "asked: nobody" in text
    assert text.startswith("Approval needed: shop 1f3c2ab → prod\n")


def test_what_became_of_a_promotion() -> None:
    assert succeeded(BARE, 75) == "Succeeded: shop 1f3c2ab → prod\ntook 1 min 15 s"
    assert failed(BARE, "migrate failed — look", "r1 still runs") == (
        "Failed: shop 1f3c2ab → prod\nmigrate failed — look\nr1 still runs"
    )
    assert restored(BARE, "r1", "smoke is red") == (
        "Failed and rolled back: shop 1f3c2ab → prod\nsmoke is red\nr1 runs again and its smoke checks passed"
    )
    assert rolled_back(BARE, "r3", "orders lost", ("WARNING: ahead",)) == (
        "Rolled back: shop 1f3c2ab → prod\ncause: orders lost\n"
        "r3 is on hold: `sluice unhold prod --reason …` removes the hold\nWARNING: ahead"
    )
    assert "cause" not in rolled_back(BARE, "r3", " ")


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@given(st.text(max_size=40), st.integers(1, 50))
def test_a_text_is_cut_to_the_limit_and_only_when_it_must_be(text: str, limit: int) -> None:
    shown = cut(text, limit)
    assert units(shown) <= limit
    if units(text) <= limit:
        assert shown == text
    else:
        assert shown.endswith("…")
        assert text.startswith(shown[:-1])


@settings(max_examples=15)
@given(st.text(max_size=50))
def test_no_message_is_too_long_or_has_foreign_lines(text: str) -> None:
    long = "😀" * 5000 + text
    subject = SUBJECT.model_copy(update={"title": HOSTILE + text, "requested_by": long, "link": long})
    one = plan(commits=(commit(subject=long + HOSTILE),) * 20)
    for message in (
        waiting(subject, one, QUORUM.model_copy(update={"missing": (long,)})),
        succeeded(subject, 1),
        failed(subject, long, long),
        restored(subject, long, long),
        rolled_back(subject, "r1", long, (long, HOSTILE)),
    ):
        assert units(message) <= LIMIT
        assert "\u202e" not in message
        assert message.count("\n") <= 20
