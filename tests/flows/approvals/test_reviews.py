"""Reviews on GitHub as answers, and telling promotions of them, without GitHub."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from blocks.values.github import PullRequestFact, ReviewFact
from blocks.values.lifecycle import Status
from flows.approvals import poll_reviews, reviews
from flows.approvals.reviews import Reviews
from flows.domain.approvals.reviews import mark_line, review_code
from flows.domain.approvals.values import Refusal
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import TransientError
from tests.flows.approvals.conftest import Asked, answer


class Hub:
    """The pull request that brought the commit, as GitHub has it now."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.found: list[ReviewFact] = []
        self.error: Exception | None = None
        self.reviews = Reviews("shop", asked.plan.commit.sha, asked.row.created_at)

    def close(self) -> None:
        """Nothing is open."""

    def review(self, who: str, state: str = "APPROVED", **changes: Any) -> int:
        """Have somebody review the pull request, naming the plan; return the review's number."""
        plan = self.asked.plan
        values: dict[str, Any] = {
            "reviewer": f"{who}-hub",
            "state": state,
            "commit": "h" * 40,
            "submitted_at": utc_now() + timedelta(seconds=1),
            "may_write": True,
            "number": len(self.found) + 1,
            "link": f"https://github.com/acme/shop/pull/7#review-{len(self.found) + 1}",
            "body": mark_line("prod", plan.hash),
        }
        self.found.append(ReviewFact(**(values | changes)))
        return len(self.found)

    def read(self, _: object, *, sha: str) -> Sequence[PullRequestFact]:
        if self.error is not None:
            raise self.error
        pull = PullRequestFact(
            number=7,
            author="zoe",
            head="h" * 40,
            base="main",
            merged_at=utc_now(),
            merge_commit=sha,
            reviews=tuple(self.found),
        )
        return [pull]


@pytest.fixture
def hub(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> Hub:
    made = Hub(asked)
    monkeypatch.setattr(reviews, "open_github", lambda _: made)
    monkeypatch.setattr(reviews, "read_reviews", made.read)
    return made


def named(number: int) -> Any:
    """Return the answer that names a review: who it says it is by decides nothing."""
    return answer("cleo", code=review_code(number))


def test_all_reviews_count_at_once(asked: Asked, hub: Hub) -> None:
    hub.review("ana")
    asked.answers = [named(hub.review("ben"))]
    assert asked.status(reviews=hub.reviews) is Status.APPROVED
    assert [one.approver for one in asked.ledger.approvals.of(asked.row.id)] == ["ana", "ben"]


def test_a_review_that_asks_for_changes_is_a_no(asked: Asked, hub: Hub) -> None:
    asked.answers = [named(hub.review("ana", "CHANGES_REQUESTED"))]
    assert asked.status(reviews=hub.reviews) is Status.REJECTED


def test_a_yes_that_was_dismissed_counts_no_more(asked: Asked, hub: Hub) -> None:
    asked.answers = [named(hub.review("ana"))]
    with pytest.raises(TimeoutError):
        asked.status(reviews=hub.reviews)
    hub.found[0] = hub.found[0].model_copy(update={"state": "DISMISSED"})
    asked.answers = [answer("ben")]
    with pytest.raises(TimeoutError):
        asked.status(reviews=hub.reviews)
    assert asked.refusals() == ["", ""]


def test_where_github_does_not_answer_no_review_counts(asked: Asked, hub: Hub) -> None:
    hub.review("ana")
    asked.answers = [named(hub.review("ben"))]
    hub.error = TransientError("GitHub does not answer", "try again")
    with pytest.raises(TimeoutError):
        asked.status(reviews=hub.reviews)
    assert asked.refusals() == [Refusal.NOT_READ]


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"reviewer": "stranger"}, Refusal.NO_REVIEW),
        ({"commit": "e" * 40}, Refusal.NO_REVIEW),
        ({"body": "looks good"}, Refusal.NO_REVIEW),
    ],
)
def test_a_review_that_answers_nothing_is_written_down_as_such(
    asked: Asked, hub: Hub, changes: dict[str, Any], refusal: Refusal
) -> None:
    asked.answers = [named(hub.review("ana", **changes))]
    with pytest.raises(TimeoutError):
        asked.status(reviews=hub.reviews)
    assert asked.refusals() == [refusal]


def test_where_reviews_do_not_count_naming_one_is_refused(asked: Asked, hub: Hub) -> None:
    asked.answers = [named(hub.review("ana"))]
    with pytest.raises(TimeoutError):
        asked.status(reviews=None)
    assert asked.refusals() == [Refusal.NO_REVIEWS]


@pytest.fixture
def told(asked: Asked, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The promotion waits, its run is known, and this is what the run is told."""
    given: list[dict[str, str]] = []

    def answer_run(_: str, fields: dict[str, str]) -> str:
        given.append(fields)
        return ""

    waiting = SimpleNamespace(
        id=asked.row.id,
        status=Status.WAITING,
        plan=asked.plan,
        asked=None,
        flow_run_id="run",
        created_at=asked.row.created_at,
    )
    promotions = SimpleNamespace(open_in=lambda *_: [waiting])
    asked.ledger = SimpleNamespace(  # type: ignore[assignment]
        promotions=promotions, releases=asked.ledger.releases, approvals=asked.ledger.approvals
    )
    monkeypatch.setattr(poll_reviews, "answer_flow_run", answer_run)
    monkeypatch.setattr(poll_reviews, "repository_facts", lambda _: None)
    monkeypatch.setattr(poll_reviews, "belongs", lambda *_: True)
    return given


def polled(asked: Asked) -> tuple[str, ...]:
    session: Any = SimpleNamespace(ledger=asked.ledger, repository=SimpleNamespace(github="shop"))
    return poll_reviews.tell_of_reviews(session, asked.run.policy)


def test_a_promotion_that_waits_is_told_of_a_review(
    asked: Asked, hub: Hub, told: list[dict[str, str]]
) -> None:
    number = hub.review("ana")
    assert polled(asked) == (f"promotion {asked.row.id} read review {number}",)
    assert told == [{"approver": "ana", "decision": "approve", "code": review_code(number)}]


def test_nobody_is_told_of_what_answers_nothing_or_was_judged(
    asked: Asked, hub: Hub, told: list[dict[str, str]]
) -> None:
    assert polled(asked) == ()
    hub.review("stranger")
    assert polled(asked) == ()
    hub.error = TransientError("GitHub does not answer", "try again")
    assert polled(asked) == ()
    assert told == []
