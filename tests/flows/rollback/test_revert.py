"""After a rollback: what was merged is reverted on GitHub. Real ledger, repository and Prefect, a fake GitHub."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prefect import flow

from blocks.git_repository import GitRepository
from blocks.pipeline import load_pipeline
from blocks.settings import Settings
from blocks.values.lifecycle import Kind, Status
from flows.core.session import Session, open_mirror
from flows.rollback.revert import revert_left
from tasks.kernel.clock import utc_now
from tasks.ledger.records import PromotionRecord
from tasks.ledger.store import Ledger
from tasks.steps.run import Journal, Run
from tests.fakes.github import REPOSITORY, FakeGitHub, Fault, pulls
from tests.lab.repository import Repository
from tests.tasks.ledger.samples import make_release

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("github_block")]

PIPELINE = """\
pipeline: shop
pull_requests: {revert_after_rollback: prod}
environments:
  staging: {hosts: staging, branches: main}
  prod: {hosts: prod, tags: v*, approvals: {approvers: ana}}
"""


@dataclass
class Place:
    """An application whose pull requests are merged on GitHub, and a rollback of it."""

    shop: Repository
    github: FakeGitHub
    session: Session
    releases: dict[str, str] = field(default_factory=dict)

    def merges(self, name: str, base: str = "main") -> int:
        """Merge a pull request, on GitHub and in the repository; return its number."""
        pulls.push_branch(self.github, name, f"{len(self.github.statuses) + 1:040x}")
        made = pulls.open_request(self.github, name, base, author="ana", title=f"The {name}")
        pulls.merge(self.github, made["number"], "ana")
        sha = self.shop.commit()
        made["merge_commit_sha"] = sha
        return int(made["number"])

    def release(self, name: str) -> str:
        """Record a release of the head of `main`; return its id."""
        self.session.mirror.fetch()
        sha = self.shop.git("rev-parse", "HEAD")
        release = make_release(name)
        commit = release.commit.model_copy(update={"sha": sha})
        release = release.model_copy(update={"commit": commit})
        self.session.ledger.releases.record(release)
        return release.id

    def goes_back(
        self, left: str, to: str, status: Status = Status.SUCCEEDED, environment: str = "prod"
    ) -> PromotionRecord:
        """Record a rollback that ended, and do what follows it."""
        ledger = self.session.ledger
        row = ledger.promotions.open(
            pipeline="shop",
            environment=environment,
            kind=Kind.ROLLBACK,
            ref="",
            flow_run_id=f"run-{utc_now()}",
            requested_by="ben",
            cause="orders fail, @ana",
            now=utc_now(),
        )
        ledger.promotions.set_release(row.id, to, utc_now())
        ledger.promotions.move(row.id, Status.APPROVED, now=utc_now())
        ledger.promotions.move(row.id, Status.RUNNING, now=utc_now())
        row = ledger.promotions.move(row.id, status, now=utc_now())
        row = row.model_copy(update={"previous_release_id": left})
        self.reverts(row)
        return row

    def reverts(self, row: PromotionRecord) -> None:
        policy = self.session.policy(row.environment)
        run = cast(
            "Run",
            SimpleNamespace(
                ledger=self.session.ledger,
                promotion_id=row.id,
                pipeline="shop",
                environment=row.environment,
                policy=policy,
                journal=Journal(self.session.ledger, row.id),
            ),
        )

        @flow(name="reverting")
        def reverting() -> None:
            revert_left(self.session, run, row)

        reverting()

    def opened(self) -> list[dict[str, Any]]:
        """Return the pull requests that revert others, oldest first."""
        known = self.github.pull_state.known.values()
        return [one for one in known if one["head"]["ref"].startswith("revert-")]


@pytest.fixture
def place(tmp_path: Path, github: FakeGitHub, ledger: Ledger) -> Place:
    shop = Repository.with_pipeline(tmp_path / "shop", PIPELINE)
    repository = GitRepository(url=str(shop.path), github="shop")
    settings = Settings(home=tmp_path / "home")
    mirror = open_mirror(repository, settings)
    session = Session(settings, ledger, repository, mirror, PIPELINE, load_pipeline(PIPELINE))
    return Place(shop, github, session)


def test_what_the_rollback_left_is_reverted_once(place: Place) -> None:
    kept = place.merges("kept")
    old = place.release("old")
    first, second = place.merges("first"), place.merges("second")
    place.merges("elsewhere", base="staging")
    new = place.release("new")
    row = place.goes_back(new, old)
    second_revert, first_revert = place.opened()
    assert [one["head"]["ref"] for one in place.opened()] == [
        f"revert-{second}-second",
        f"revert-{first}-first",
    ]
    assert first_revert["title"] == 'Revert "The first": prod was rolled back'
    assert f"Reverts {REPOSITORY}#{first}." in first_revert["body"]
    assert (
        f"`prod` went back from `{new}` to `{old}`: promotion {row.id}, asked for by `ben`"
        in first_revert["body"]
    )
    assert "Cause: `orders fail, @ana`" in second_revert["body"]
    assert (first_revert["base"]["ref"], first_revert["draft"]) == ("main", False)
    assert kept not in {one["number"] for one in place.opened()}
    steps = [step for step in place.session.ledger.steps.of(row.id) if step.name == "revert pull request"]
    assert [(step.host, step.status) for step in steps] == [
        (f"#{second}", "finished"),
        (f"#{first}", "finished"),
    ]
    # Of the same run again, and of another rollback, nothing is opened twice; a person may have closed one.
    first_revert["state"] = "closed"
    place.reverts(row)
    place.goes_back(new, old)
    assert len(place.opened()) == 2


def test_one_that_cannot_be_reverted_does_not_keep_the_others(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    old = place.release("old")
    first, second = place.merges("first"), place.merges("second")
    place.github.pull_state.conflicting.add(second)
    place.goes_back(place.release("new"), old)
    assert [one["head"]["ref"] for one in place.opened()] == [f"revert-{first}-first"]
    assert f"GitHub cannot revert pull request #{second}" in caplog.text


def test_many_are_left_to_a_person(place: Place) -> None:
    old = place.release("old")
    numbers = [place.merges(f"change-{one}") for one in range(6)]
    row = place.goes_back(place.release("new"), old)
    place.reverts(row)
    assert place.opened() == []
    ((number, comments),) = place.github.pull_state.comments.items()
    assert number == numbers[-1]
    (comment,) = comments
    assert "It left 6 merged pull requests behind, this the newest." in comment["body"]


@pytest.mark.parametrize("status", [Status.FAILED, Status.RESTORED])
def test_a_rollback_that_failed_reverts_nothing(place: Place, status: Status) -> None:
    old = place.release("old")
    place.merges("first")
    new = place.release("new")
    place.github.asked.clear()
    row = place.session.ledger.promotions.open(
        pipeline="shop",
        environment="prod",
        kind=Kind.ROLLBACK,
        ref="",
        flow_run_id="failed",
        requested_by="ben",
        cause="",
        now=utc_now(),
    )
    ended = row.model_copy(update={"status": status, "release_id": old, "previous_release_id": new})
    place.reverts(ended)
    assert place.github.asked == []


def test_an_environment_that_is_not_named_reverts_nothing(place: Place) -> None:
    old = place.release("old")
    place.merges("first")
    place.goes_back(place.release("new"), old, environment="staging")
    assert place.opened() == []
    assert place.github.asked == []


def test_nothing_that_goes_wrong_is_the_rollbacks(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    old = place.release("old")
    place.merges("first")
    new = place.release("new")
    place.github.faults.append(Fault("/pulls", 502, "Bad Gateway", times=99))
    place.goes_back(new, old)
    assert "revert: GitHub answered with status 502" in caplog.text
    place.github.faults.clear()
    place.github.faults.append(Fault("/pulls", 200, body='[{"merged_at": 1, "updated_at": 5}]', times=99))
    place.goes_back(new, old)
    assert "revert: " in caplog.text.split("status 502", 1)[1]
    place.github.faults.clear()
    object.__setattr__(place.session, "repository", GitRepository(url=str(place.shop.path)))
    place.goes_back(new, old)
    assert "the git-repository block names no github block" in caplog.text
    assert place.opened() == []


def test_nothing_was_merged(place: Place) -> None:
    old = place.release("old")
    place.shop.commit()
    place.goes_back(place.release("new"), old)
    place.goes_back(old, old)
    place.goes_back("gone", old)
    assert place.opened() == []
