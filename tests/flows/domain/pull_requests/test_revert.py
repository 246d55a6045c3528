"""Which pull requests a rollback leaves behind, and what stands in those that revert them."""

from __future__ import annotations

from datetime import UTC, datetime

from flows.domain.pull_requests.revert import Return, left_behind, revert_body, revert_title, too_many_body
from tests.flows.domain.pull_requests.samples import pull

WENT = Return(
    promotion=12,
    environment="prod",
    left="20261120-bbbbbbb",
    back_to="20261119-aaaaaaa",
    cause="orders fail since 14:00, @ana fixes #3",
    asked_by="ben",
    link="http://127.0.0.1:4200/runs/flow-run/1",
)


def merged(number: int, day: int, commit: str, base: str = "main") -> object:
    at = datetime(2026, 11, day, tzinfo=UTC)
    return pull(number, base=base, open=False, merged_at=at, merge_commit=commit)


def test_those_whose_merge_is_left_newest_first() -> None:
    pulls = [
        merged(7, 3, "a"),
        merged(8, 5, "b"),
        merged(9, 4, "c"),
        merged(10, 4, "kept"),
        merged(11, 4, "b", base="staging"),
        pull(12, base="main"),
    ]
    found = left_behind(pulls, ["a", "b", "c"], "main")  # type: ignore[arg-type]
    assert [one.number for one in found] == [8, 9, 7]
    assert left_behind([], ["a"], "main") == ()


def test_the_cause_is_named_and_calls_nobody() -> None:
    body = revert_body("acme/shop", 7, WENT)
    assert body.splitlines()[:5] == [
        "Reverts acme/shop#7.",
        "",
        "`prod` went back from `20261120-bbbbbbb` to `20261119-aaaaaaa`: promotion 12, asked for by `ben` "
        "([run](http://127.0.0.1:4200/runs/flow-run/1)).",
        "",
        "Cause: `orders fail since 14:00, @ana fixes #3`",
    ]
    assert "`sluice unhold prod --reason …`" in body
    assert revert_title('Say "hi"\nx', WENT) == 'Revert "Say "hi" x": prod was rolled back'
    assert len(revert_title("x" * 500, WENT)) <= 250


def test_what_nobody_said_is_said_to_be_so() -> None:
    bare = WENT.model_copy(update={"cause": " ", "asked_by": "", "link": ""})
    assert "promotion 12.\n\nNobody gave a cause." in revert_body("acme/shop", 7, bare)


def test_too_many_are_left_to_a_person() -> None:
    body = too_many_body(9, WENT)
    assert "It left 9 merged pull requests behind, this the newest." in body
    assert "Cause: `orders fail" in body
