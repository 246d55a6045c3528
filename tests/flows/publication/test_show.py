"""Promotions shown on GitHub: a real Prefect server, ledger and repository, a fake GitHub over HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW, temporary_settings

from blocks.git_repository import GitRepository
from blocks.pipeline import load_pipeline
from blocks.settings import Settings
from blocks.values.lifecycle import Kind, Status
from blocks.values.plans import Plan
from blocks.values.releases import Release
from flows.core.session import open_mirror
from flows.publication.show import show, show_aside, show_missed
from flows.runs import conduct
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import RefusedError
from tasks.ledger.records import PromotionRecord, StepRecord
from tasks.ledger.store import Ledger
from tasks.steps.publication import Showing
from tests.fakes.github import TOKEN, FakeGitHub, Fault
from tests.fakes.github.pulls import push_branch
from tests.fakes.github.showing import comments_on
from tests.lab.repository import Repository
from tests.tasks.ledger.samples import make_plan, make_release

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("github_block")]

PIPELINE = """
pipeline: shop
show: {deployments: true, status: true, comment: true, release: true, changelog: CHANGELOG.md}
environments:
  staging: {hosts: staging, branches: main, address: "https://staging.shop.example"}
  prod:
    hosts: prod
    tags: v*
    address: https://shop.example
    proven_in: staging
    approvals: {required: 2, approvers: [ana, ben, cy]}
"""
MERGED = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def outside_of_flows() -> Iterator[None]:
    """Most tests show without a flow around it, where a log line belongs to no run."""
    with temporary_settings({PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW: "ignore"}):
        yield


@dataclass
class Place:
    """An application, its ledger, and what a flow's moments show of it."""

    ledger: Ledger
    github: FakeGitHub
    shop: Repository
    showing: Showing
    pulls: dict[str, int] = field(default_factory=dict)

    def merge(self, number: int, subject: str) -> str:
        """Merge a pull request; return the commit its merge made."""
        sha = self.shop.commit(subject)
        self.showing.mirror.fetch()
        self.github.push(sha)
        head = hashlib.sha1(sha.encode(), usedforsecurity=False).hexdigest()
        self.github.open_pull(number, sha, author="ada", head=head, merge_commit=sha, merged_at=utc_now())
        self.github.pulls[sha][0] |= {"title": subject, "updated_at": "2099-01-01T00:00:00Z"}
        push_branch(self.github, "main", sha)
        return sha

    def tag(self, name: str) -> None:
        self.shop.git("tag", name)
        self.showing.mirror.fetch()

    def release(self, sha: str) -> Release:
        commit = self.showing.mirror.commit(sha)
        made = make_release("x").model_copy(update={"id": f"20261126000000-{sha[:12]}", "commit": commit})
        return self.ledger.releases.record(made)

    def open(self, environment: str, ref: str, kind: Kind = Kind.PROMOTE) -> PromotionRecord:
        return self.ledger.promotions.open(
            pipeline="shop",
            environment=environment,
            kind=kind,
            ref=ref,
            flow_run_id=str(uuid4()),
            requested_by="cleo",
            cause="",
            now=utc_now(),
        )

    def plan(self, row: PromotionRecord, sha: str) -> Plan:
        """Give a promotion its release and its plan, as its flow does."""
        running = self.ledger.promotions.running("shop", row.environment)
        before = self.ledger.releases.get(running.release_id or "") if running else None
        release = self.release(sha)
        commits = self.showing.mirror.commits_between(before.commit.sha, sha) if before else ([], [])
        plan = make_plan("x").model_copy(
            update={
                "environment": row.environment,
                "release_id": release.id,
                "commit": release.commit,
                "commits": tuple(commits[0]),
                "commits_leaving": tuple(commits[1]),
            }
        )
        self.ledger.promotions.set_release(row.id, release.id, utc_now())
        self.ledger.promotions.set_plan(
            row.id, plan=plan, previous_release_id=before.id if before else None, now=utc_now()
        )
        return plan

    def go(self, row: PromotionRecord, *statuses: Status, message: str = "") -> None:
        """Move a promotion on, showing each of its moments."""
        for status in statuses:
            self.ledger.promotions.move(row.id, status, now=utc_now(), message=message)
            self.show(row)

    def show(self, row: PromotionRecord, sha: str = "") -> None:
        show(self.showing, row.id, sha=sha)

    def writes(self) -> list[tuple[str, str]]:
        """Return what was asked of GitHub that changes it; whose login it is is asked by GraphQL."""
        return [one for one in self.github.asked if one[0] != "GET" and one[1] != "/graphql"]

    def missed(self, environment: str) -> int:
        return show_missed(self.showing, environment)

    def live(
        self, environment: str, sha: str, ref: str = "main", kind: Kind = Kind.PROMOTE
    ) -> PromotionRecord:
        """Bring a commit to where it runs."""
        row = self.open(environment, ref, kind)
        self.plan(row, sha)
        self.go(row, Status.APPROVED, Status.RUNNING, Status.SUCCEEDED)
        return row

    def journal(self, row: PromotionRecord) -> dict[str, StepRecord]:
        return {step.host: step for step in self.ledger.steps.of(row.id) if step.name == "show"}


@pytest.fixture
def place(tmp_path: Path, github: FakeGitHub, ledger: Ledger) -> Place:
    shop = Repository(tmp_path / "shop")
    first = shop.commit("First")
    github.push(first)
    push_branch(github, "main", first)
    github.shown.files["main"] = {"CHANGELOG.md": "# Changelog\n\n## [1.0.0] - 2026-01-01\n\n- First\n"}
    pipeline = load_pipeline(PIPELINE)
    mirror = open_mirror(GitRepository(url=str(shop.path)), Settings(home=tmp_path / "home"))
    mirror.fetch()
    showing = Showing(
        ledger=ledger,
        policies={name: pipeline.policy(name) for name in pipeline.names},
        mirror=mirror,
        github="shop",
        default_branch="main",
    )
    return Place(ledger, github, shop, showing)


def test_the_whole_story_of_a_change(place: Place) -> None:
    shown = place.github.shown
    first = place.merge(6, "Add products")
    place.tag("v1.0.0")
    place.live("prod", first, "v1.0.0")
    sha = place.merge(7, "Add orders, fixes #5 for @ana")
    place.live("staging", sha)
    assert shown.status_of(sha, "sluice/staging")[-1] == ("success", "promote: succeeded")
    (comment,) = comments_on(place.github, 7)
    assert "| [staging](https://staging.shop.example) |" in comment
    assert "| prod |" not in comment

    place.tag("v1.1.0")
    row = place.open("prod", "v1.1.0")
    place.show(row, sha)
    assert shown.status_of(sha, "sluice/prod") == [("pending", "promote: being planned")]
    assert shown.states_of("prod")[sha] == ["queued"]
    plan = place.plan(row, sha)
    place.go(row, Status.WAITING, message="waiting for 2 of 2 approvals")
    (comment,) = comments_on(place.github, 7)
    assert f"#### Plan `{plan.hash[:12]}` for prod" in comment
    assert "**To approve:** open [the run in the Prefect UI](http://127.0.0.1:" in comment
    assert "0 of 2 approvals are given; asked: ana, ben, cy" in comment
    place.go(row, Status.APPROVED, Status.RUNNING, Status.SUCCEEDED)

    assert shown.states_of("prod") == {
        # Of production GitHub closes nothing by itself.
        first: ["in_progress", "success", "inactive"],
        sha: ["queued", "pending", "in_progress", "success"],
    }
    newest = shown.states[shown.deployments[0]["id"]][0]
    assert newest["environment_url"] == "https://shop.example"
    assert newest["log_url"].endswith(f"/runs/flow-run/{row.flow_run_id}")
    assert [state for state, _ in shown.status_of(sha, "sluice/prod")] == [
        "pending",
        "pending",
        "pending",
        "success",
    ]
    (comment,) = comments_on(place.github, 7)
    assert "| [prod](https://shop.example) |" in comment
    assert "To approve" not in comment
    assert len(comments_on(place.github, 6)) == 1

    release = shown.releases["v1.1.0"]
    assert (
        "## Changes since v1.0.0\n\n- Add orders, fixes #<!-- -->5 for \\@<!-- -->ana (#7, ada)\n"
        in release["body"]
    )
    assert "(#6" not in release["body"]
    branch = "sluice/changelog-v1.1.0"
    assert "## [1.1.0] - " in shown.files[branch]["CHANGELOG.md"]
    assert "## [1.1.0]" not in shown.files["main"]["CHANGELOG.md"]
    (pull,) = place.github.pulls[place.github.pull_state.branches[branch].sha]
    assert (pull["title"], pull["base"]["ref"]) == ("Changelog of v1.1.0", "main")
    assert {step.status for step in place.journal(row).values()} == {"finished"}


def test_showing_again_writes_nothing(place: Place) -> None:
    sha = place.merge(7, "Add orders")
    place.tag("v1.1.0")
    row = place.live("prod", sha, "v1.1.0")
    before = place.writes()
    place.show(row)
    # Also where the journal does not know that it was shown.
    with place.ledger._database.writing() as connection:
        connection.exec_driver_sql("UPDATE steps SET status = 'started', receipt = NULL")
    place.show(row)
    assert place.writes() == before
    assert place.journal(row)["succeeded"].status == "finished"
    assert len(place.github.shown.deployments) == 1


def test_a_rollback_is_a_deployment_of_the_older_commit(place: Place) -> None:
    shown = place.github.shown
    old, new = place.merge(6, "Add products"), place.merge(7, "Add orders")
    for sha in (old, new):
        place.live("staging", sha)
    assert "**runs**" in comments_on(place.github, 7)[0]
    place.live("staging", old, kind=Kind.ROLLBACK)
    assert shown.states_of("staging") == {
        old: ["in_progress", "success", "inactive", "in_progress", "success"],
        new: ["in_progress", "success", "inactive"],
    }
    assert "| rollback: succeeded |" in comments_on(place.github, 7)[0]
    assert "**runs**" not in comments_on(place.github, 7)[0]
    assert "**runs**" in comments_on(place.github, 6)[0]


@pytest.mark.parametrize(
    ("status", "deployment", "commit"),
    [
        (Status.REJECTED, "inactive", "failure"),
        (Status.EXPIRED, "inactive", "error"),
        (Status.SUPERSEDED, "inactive", "error"),
        (Status.REFUSED, "failure", "failure"),
        (Status.FAILED, "failure", "failure"),
    ],
)
def test_what_ended_without_a_change_is_closed(
    place: Place, status: Status, deployment: str, commit: str
) -> None:
    sha = place.merge(7, "Add orders")
    row = place.open("staging", "main")
    place.plan(row, sha)
    place.go(row, Status.WAITING)
    place.go(row, status, message="ana: not on a Friday")
    assert place.github.shown.states_of("staging")[sha] == ["pending", deployment]
    state, said = place.github.shown.status_of(sha, "sluice/staging")[-1]
    assert (state, "ana: not on a Friday" in said) == (commit, True)
    assert "**staging:** ana: not on a Friday" in comments_on(place.github, 7)[0]


def test_a_release_that_runs_already_is_not_announced(place: Place) -> None:
    sha = place.merge(7, "Add orders")
    place.live("staging", sha)
    asked = len(place.github.asked)
    row = place.open("staging", "main", Kind.REDEPLOY)
    place.show(row, sha)
    place.plan(row, sha)
    place.go(row, Status.UNCHANGED)
    assert len(place.github.asked) == asked
    assert place.journal(row) == {}


def test_the_later_promotion_of_a_commit_has_its_status(place: Place) -> None:
    sha = place.merge(7, "Add orders")
    older, newer = place.open("staging", "main"), place.open("staging", "main")
    place.show(older, sha)
    place.show(newer, sha)
    place.go(older, Status.SUPERSEDED)
    assert place.github.shown.status_of(sha, "sluice/staging")[-1][0] == "pending"
    assert sorted(place.github.shown.states_of("staging")[sha]) == ["inactive", "queued", "queued"]


@pytest.mark.parametrize("end", [Status.SUCCEEDED, Status.REJECTED])
def test_what_is_refused_says_nothing_about_what_waits(place: Place, end: Status) -> None:
    sha = place.merge(7, "Add orders")
    waits = place.open("staging", "main")
    place.plan(waits, sha)
    place.go(waits, Status.WAITING)
    (asked,) = comments_on(place.github, 7)
    assert "waiting" in asked

    refused = place.open("staging", "main")
    place.show(refused, sha)
    place.go(refused, Status.REFUSED, message="branch main is not allowed")
    assert place.github.shown.status_of(sha, "sluice/staging")[-1][0] == "pending"
    assert comments_on(place.github, 7) == [asked]

    # What became of the one that waited is shown, though a later one ended before it.
    way = (Status.APPROVED, Status.RUNNING) if end is Status.SUCCEEDED else ()
    place.go(waits, *way, end)
    state = "success" if end is Status.SUCCEEDED else "failure"
    assert place.github.shown.status_of(sha, "sluice/staging")[-1][0] == state


def test_nothing_is_shown_where_nothing_is_asked_for(place: Place) -> None:
    policy = load_pipeline(PIPELINE.replace("show:", "# show:")).policy("staging")
    place.showing.policies = {"staging": policy}
    sha = place.merge(7, "Add orders")
    place.live("staging", sha)
    assert place.github.asked == []
    assert load_pipeline(PIPELINE).policy("staging").checksum == policy.checksum


def test_an_outage_fails_nothing_and_is_shown_later(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    sha = place.merge(7, "Add orders")
    place.github.faults.append(Fault("/repos/", 502, "Bad Gateway", times=99))
    row = place.open("staging", "main")
    place.plan(row, sha)
    place.go(row, Status.APPROVED, Status.RUNNING, Status.SUCCEEDED)
    failed = place.journal(row)["succeeded"]
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.startswith("commit status: GitHub answered with status 502 for the commit's statuses")
    # Two tries of the first part in each moment, and no more.
    assert len(place.github.asked) == 4
    place.github.faults.clear()

    # Its own run may still be at it.
    assert place.missed("staging") == 0
    _later(monkeypatch, timedelta(minutes=3))
    assert place.missed("staging") == 1
    assert place.github.shown.states_of("staging")[sha] == ["success"]
    assert place.github.shown.status_of(sha, "sluice/staging")[-1][0] == "success"
    assert len(comments_on(place.github, 7)) == 1
    assert place.journal(row)["succeeded"].status == "finished"
    assert place.missed("staging") == 0


def test_what_cannot_be_shown_is_given_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    sha = place.merge(7, "Add orders")
    place.github.tokens[TOKEN] -= {"statuses:write"}
    row = place.live("staging", sha)
    error = place.journal(row)["succeeded"].error or ""
    assert "does not let the login set a commit status in acme/shop" in error
    assert "statuses=write" in error
    # The other parts are shown: each has its own permission.
    assert place.github.shown.states_of("staging")[sha][-1] == "success"
    _later(monkeypatch, timedelta(minutes=3))
    assert [place.missed("staging") for _ in range(6)] == [1, 1, 1, 1, 0, 0]
    _later(monkeypatch, timedelta(days=2))
    assert place.missed("staging") == 0


def test_a_rate_limit_is_not_waited_for(place: Place) -> None:
    sha = place.merge(7, "Add orders")
    place.github.remaining = -1
    started = datetime.now(UTC)
    row = place.live("staging", sha)
    assert datetime.now(UTC) - started < timedelta(seconds=40)
    assert "rate limit is used up" in (place.journal(row)["succeeded"].error or "")
    assert place.ledger.promotions.get(row.id).status is Status.SUCCEEDED  # type: ignore[union-attr]


def test_no_block_is_named(place: Place) -> None:
    place.showing.github = ""
    row = place.live("staging", place.merge(7, "Add orders"))
    assert "the git-repository block names no github block" in (place.journal(row)["succeeded"].error or "")


def test_another_version_is_not_prepared_twice(place: Place) -> None:
    shown = place.github.shown
    place.live("prod", place.merge(6, "Add products"))
    assert shown.releases == {}
    sha = place.merge(7, "Add orders")
    place.tag("v1.1.0")
    shown.files["main"]["CHANGELOG.md"] = "# Changelog\n\n## v1.1.0\n\n- Written by hand\n"
    shown.releases["v1.1.0"] = {"body": "By hand"}
    row = place.live("prod", sha)
    assert shown.releases["v1.1.0"] == {"body": "By hand"}
    assert "sluice/changelog-v1.1.0" not in place.github.pull_state.branches
    assert "the changelog has v1.1.0" in (place.journal(row)["succeeded"].receipt or "")


def conducted(
    place: Place, monkeypatch: pytest.MonkeyPatch, act: Callable[[PromotionRecord], object]
) -> tuple[State[Any], PromotionRecord]:
    """Carry a promotion through a flow as `conduct` does, its body what a test says."""
    from contextlib import contextmanager, nullcontext
    from types import SimpleNamespace

    policy = place.showing.policies["staging"]
    session = SimpleNamespace(
        ledger=place.ledger,
        repository=GitRepository(url=str(place.shop.path), github="shop"),
        policy=lambda _: policy,
        showing=lambda _: place.showing,
    )

    @contextmanager
    def open_session(source: str, **_: object) -> Iterator[object]:
        del source
        yield session

    monkeypatch.setattr(conduct, "open_ledger", lambda: nullcontext(place.ledger))
    monkeypatch.setattr(conduct, "open_session", open_session)

    def body(_session: object, _request: object, row: PromotionRecord) -> PromotionRecord:
        act(row)
        return place.ledger.promotions.get(row.id) or row

    @flow(name="conducted", persist_result=False)
    def carried() -> State[Any]:
        request = conduct.Request(Kind.PROMOTE, "staging", "main", "default", "cleo")
        return conduct.conduct(request, body)

    state: State[Any] = carried(return_state=True)
    return state, place.ledger.promotions.history("shop", "staging", limit=1)[0]


def test_a_flow_shows_its_end_whatever_it_is(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    sha = place.merge(7, "Add orders")

    def refuse(row: PromotionRecord) -> None:
        show_aside(place.showing, row.id, sha=sha)
        # What is refused before its planning was shown gets no deployment at all.
        place.showing.begun[0].wait(60)
        raise RefusedError("staging is closed for this release: test is red", "mend it")

    state, row = conducted(place, monkeypatch, refuse)
    assert (state.name, row.status) == ("Refused", Status.REFUSED)
    said = place.github.shown.status_of(sha, "sluice/staging")[-1]
    assert said == ("failure", "promote: refused: staging is closed for this release: test is red — mend it")
    assert place.github.shown.states_of("staging")[sha][-1] == "failure"
    assert place.showing.begun == []


def test_a_fault_of_showing_is_no_fault_of_the_flow(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    sha = place.merge(7, "Add orders")

    def succeed(row: PromotionRecord) -> None:
        place.plan(row, sha)
        place.ledger.promotions.move(row.id, Status.APPROVED, now=utc_now())
        place.ledger.promotions.move(row.id, Status.RUNNING, now=utc_now())
        show_aside(place.showing, row.id)
        place.ledger.promotions.move(row.id, Status.SUCCEEDED, now=utc_now(), message="it runs")

    def broken(_: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr("flows.publication.show.Parts", broken)
    state, row = conducted(place, monkeypatch, succeed)
    assert (state.name, state.message, row.status) == ("Completed", "it runs", Status.SUCCEEDED)


def _later(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    monkeypatch.setattr("flows.publication.show.utc_now", lambda: datetime.now(UTC) + by)
