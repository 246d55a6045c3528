"""The gates of `gates:` asked by a flow: a real Prefect server, ledger and repository, a fake GitHub over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from prefect import flow
from pydantic import SecretStr

from blocks.git_repository import GitRepository
from blocks.github import GitHub
from blocks.pipeline import Gates, PullRequests, Show, load_pipeline
from blocks.settings import Settings
from blocks.values.lifecycle import Kind, Status
from blocks.values.plans import GateAnswer
from deployments.doctor.github import github_findings, pull_request_findings
from flows.core.session import Session, open_mirror
from flows.gates.entry import UndecidedError, ask_entry, decide_entry
from flows.runs.conduct import Request
from tasks.images.resolve import resolve
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import RefusedError
from tasks.kernel.redact import process_redactor
from tasks.ledger.store import Ledger
from tasks.steps.run import Run
from tests.fakes.github import REPOSITORY, TOKEN, App, FakeGitHub, Fault, shapes
from tests.lab.plane import LabPlane
from tests.lab.repository import Repository
from tests.tasks.ledger.samples import make_release

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("github_block", "other_block")]

PIPELINE = """
pipeline: shop
environments:
  staging: {hosts: staging, branches: main}
  prod:
    hosts: prod
    tags: v*
    branches: main
    proven_in: staging
    approvals: {required: 1, approvers: [ana, ben]}
    gates: {hotfix: {skips: [soak], approvals: 2}}
"""


@pytest.fixture(scope="module")
def other_block(github_server: FakeGitHub, prefect_server: LabPlane) -> None:
    """The block of another repository, which nobody may read."""
    del prefect_server
    GitHub(repository="acme/other", token=SecretStr(TOKEN), base_url=github_server.base).save("other")


@dataclass
class Place:
    """An application at its first tag, and what its flows see of it."""

    session: Session
    github: FakeGitHub
    shop: Repository
    sha: str

    def ask(self, release: str = "new", ref: str = "main", **gates: Any) -> dict[str, GateAnswer]:
        """Ask the gates as a flow does."""
        policy = self.session.policy("prod")
        policy = policy.model_copy(update={"gates": policy.gates.model_copy(update=gates)})

        @flow(name="ask")
        def asking() -> tuple[GateAnswer, ...]:
            return ask_entry(self.session, policy, self.resolved(ref), release)

        return {answer.gate: answer for answer in asking()}

    def decide(
        self, *others: GateAnswer, waits: bool = True, **gates: Any
    ) -> tuple[tuple[GateAnswer, ...], float]:
        """Ask until it is decided; return the answers and how long it took."""
        policy = self.session.policy("prod")
        # Shorter than a pipeline may say.
        short: dict[str, Any] = {name: gates.pop(name) for name in ("every", "wait") if name in gates}
        policy = policy.model_copy(update={"gates": Gates(**gates).model_copy(update=short)})
        row = self.session.ledger.promotions.history("shop", "prod", limit=1)[0]
        run = cast(
            "Run",
            SimpleNamespace(
                policy=policy, ledger=self.session.ledger, promotion_id=row.id, environment="prod"
            ),
        )
        request = Request(Kind.PROMOTE, "prod", "main", "default", "cleo")

        @flow(name="decide")
        def deciding() -> tuple[GateAnswer, ...]:
            resolved = self.resolved("main")
            return decide_entry(self.session, run, request, resolved, "new", others, waits=waits)

        started = time.monotonic()
        return deciding(), time.monotonic() - started

    def resolved(self, ref: str) -> Any:
        self.session.mirror.fetch()
        return resolve.fn(self.session.mirror, ref=ref, path="pipeline.yaml", policy_text=PIPELINE)

    def goes_live(self, environment: str, name: str, at: datetime, sha: str = "") -> str:
        """Record that a release began to run somewhere."""
        ledger = self.session.ledger
        release = make_release(name)
        commit = release.commit.model_copy(update={"sha": sha or release.commit.sha})
        release = release.model_copy(update={"commit": commit})
        ledger.releases.record(release)
        row = ledger.promotions.open(
            pipeline="shop",
            environment=environment,
            kind=Kind.PROMOTE,
            ref=name,
            flow_run_id=f"{environment}-{name}-{at}",
            requested_by="cleo",
            cause="",
            now=at,
        )
        ledger.promotions.set_release(row.id, release.id, at)
        for status in (Status.APPROVED, Status.RUNNING, Status.SUCCEEDED):
            ledger.promotions.move(row.id, status, now=at)
        return release.id


@pytest.fixture
def place(tmp_path: Path, github: FakeGitHub, ledger: Ledger) -> Place:
    shop = Repository.with_pipeline(tmp_path / "shop", PIPELINE)
    shop.git("tag", "v1.0.0")
    sha = shop.head
    github.push(sha)
    github.branches["main"] = shapes.protection(checks={"test": None})
    settings = Settings(home=tmp_path / "home")
    repository = GitRepository(url=str(shop.path), github="shop")
    ledger.promotions.open(
        pipeline="shop",
        environment="prod",
        kind=Kind.PROMOTE,
        ref="main",
        flow_run_id="this",
        requested_by="cleo",
        cause="",
        now=utc_now(),
    )
    mirror = open_mirror(repository, settings)
    session = Session(settings, ledger, repository, mirror, PIPELINE, load_pipeline(PIPELINE))
    return Place(session, github, shop, sha)


def later(seconds: float, act: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(seconds, act)
    timer.start()
    return timer


def test_nothing_is_read_that_no_gate_asks_for(place: Place) -> None:
    assert place.ask() == {}
    assert place.ask(reachable_from="main")["reachable"].passed
    assert place.github.asked == []
    place.ask(checks=("test",))
    assert {path.partition("?")[0].rsplit("/", 1)[1] for _, path in place.github.asked} == {
        "status",
        "check-runs",
    }


def test_checks_reviews_and_protection_as_github_has_them(place: Place) -> None:
    wanted: dict[str, Any] = {"branch_checks": True, "reviews": 1, "protection": True}
    place.github.report_run(place.sha, "test", "failure")
    place.github.open_pull(
        7, place.sha, author="ada", head=place.sha, merge_commit=place.sha, merged_at=datetime.now(UTC)
    )
    found = place.ask(**wanted)
    assert {gate: answer.passed for gate, answer in found.items()} == {
        "checks": False,
        "reviews": False,
        "protection": True,
    }
    assert found["checks"].reason.startswith("test ended with failure")
    assert found["checks"].link.startswith(f"{place.github.base}/acme/shop/runs/")
    place.github.report_run(place.sha, "test", "success")
    place.github.review(7, "ben", "APPROVED", place.sha)
    found = place.ask(**wanted)
    assert all(answer.passed for answer in found.values())
    assert found["reviews"].reason == "pull request #7 was approved by ben"


def test_what_runs_already_is_not_asked_about(place: Place) -> None:
    running = place.goes_live("prod", "old", utc_now())
    assert place.ask(running, checks=("test",)) == {}
    assert place.github.asked == []
    assert not place.ask("new", checks=("test",))["checks"].passed


def test_no_block_is_named(place: Place) -> None:
    object.__setattr__(place.session, "repository", GitRepository(url=str(place.shop.path)))
    answer = place.ask(checks=("test",), reachable_from="main")
    assert answer["checks"].reason == (
        "it cannot be asked: the git-repository block names no github block — "
        "create one in the Prefect UI under Blocks, and name it in the field GitHub"
    )
    assert not answer["checks"].waiting
    assert answer["reachable"].passed


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("gone", "there is no block github/gone"),
        ("other", "let the login see the checks of the commit in acme/other"),
    ],
)
def test_a_block_that_does_not_help(place: Place, block: str, said: str) -> None:
    object.__setattr__(place.session, "repository", GitRepository(url=str(place.shop.path), github=block))
    answer = place.ask(checks=("test",))["checks"]
    assert said in answer.reason
    assert (answer.passed, answer.waiting) == (False, False)


def test_an_app_logs_in_by_its_block(place: Place) -> None:
    key = rsa.generate_private_key(65537, 2048)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    place.github.app = App(7, 8, public.decode())
    place.github.report_run(place.sha, "test", "success")
    # As a form's password field leaves a key: on one line.
    pasted = SecretStr(" ".join(private.decode().split("\n")))
    block = GitHub(
        repository=REPOSITORY, app_id=7, installation_id=8, private_key=pasted, base_url=place.github.base
    )
    block.save("app", overwrite=True)
    object.__setattr__(place.session, "repository", GitRepository(url=str(place.shop.path), github="app"))
    assert place.ask(checks=("test",))["checks"].passed


def test_an_outage_is_tried_again_and_then_waited_for(place: Place) -> None:
    place.github.report_run(place.sha, "test", "success")
    place.github.faults.append(Fault("/status", 502, "Bad Gateway", times=2))
    assert place.ask(checks=("test",))["checks"].passed
    place.github.faults.append(Fault("/status", 502, "Bad Gateway", times=99))
    answer = place.ask(checks=("test",))["checks"]
    assert (answer.passed, answer.waiting) == (False, True)
    assert "GitHub answered with status 502" in answer.reason
    assert TOKEN not in process_redactor().text(answer.reason)


def test_a_check_that_runs_is_waited_for(place: Place) -> None:
    place.github.report_run(place.sha, "test", "in_progress")
    timer = later(1, lambda: place.github.report_run(place.sha, "test", "success"))
    answers, seconds = place.decide(checks=("test",), every=0.5, wait=600)
    timer.join()
    assert [answer.passed for answer in answers] == [True]
    assert 0.9 < seconds < 300


def test_whoever_keeps_the_lease_does_not_wait(place: Place) -> None:
    place.github.report_run(place.sha, "test", "in_progress")
    with pytest.raises(UndecidedError):
        place.decide(checks=("test",), every=0.5, wait=600, waits=False)
    place.github.report_run(place.sha, "test", "success")
    answers, _ = place.decide(checks=("test",), every=0.5, wait=600, waits=False)
    assert [answer.passed for answer in answers] == [True]


def test_what_is_not_green_in_time_is_closed(place: Place) -> None:
    place.github.report_run(place.sha, "test", "in_progress")
    answers, seconds = place.decide(checks=("test",), every=0.5, wait=1)
    assert [answer.passed for answer in answers] == [False]
    assert "test has not ended (not green in time: waited" in answers[0].reason
    assert seconds >= 1


def test_nothing_is_waited_for_where_another_gate_is_closed(place: Place) -> None:
    place.github.report_run(place.sha, "test", "in_progress")
    closed = GateAnswer(gate="proven", passed=False, reason="not proven")
    answers, seconds = place.decide(closed, checks=("test",), every=0.5, wait=600)
    assert [answer.gate for answer in answers] == ["proven", "checks"]
    assert seconds < 300


def test_who_takes_its_place_ends_the_waiting(place: Place) -> None:
    place.github.report_run(place.sha, "test", "in_progress")
    promotions = place.session.ledger.promotions
    row = promotions.history("shop", "prod", limit=1)[0]
    timer = later(
        0.5,
        lambda: promotions.move(
            row.id, Status.SUPERSEDED, now=utc_now(), message="promotion 9 took its place"
        ),
    )
    with pytest.raises(RefusedError, match="promotion 9 took its place — nothing was touched"):
        place.decide(checks=("test",), every=0.5, wait=600)
    timer.join()


def test_a_version_is_compared_with_the_tags_of_what_runs(place: Place) -> None:
    place.goes_live("prod", "old", utc_now() - timedelta(hours=1), sha=place.sha)
    place.shop.git("commit", "--quiet", "--allow-empty", "--message", "Second")
    place.shop.git("tag", "v0.9.0")
    assert "v0.9.0 is not newer than v1.0.0" in place.ask(ref="v0.9.0", version=True)["version"].reason
    place.shop.git("tag", "v1.1.0")
    assert place.ask(ref="v1.1.0", version=True)["version"].passed
    place.goes_live("prod", "gone", utc_now(), sha="d" * 40)
    assert "has no version" in place.ask(ref="v0.9.0", version=True)["version"].reason


def test_soak_counts_what_ran_upstream(place: Place) -> None:
    assert "does not run there now" in place.ask(soak=3600.0)["soak"].reason
    release = place.goes_live("staging", "new", utc_now() - timedelta(minutes=30))
    answer = place.ask(release, soak=3600.0)["soak"]
    assert (answer.passed, answer.waiting) == (False, True)
    assert place.ask(release, soak=1200.0)["soak"].passed


def test_a_hotfix_is_said_to_be_one(place: Place) -> None:
    place.shop.git("checkout", "--quiet", "-b", "hotfix/orders")
    place.shop.git("commit", "--quiet", "--allow-empty", "--message", "Mend")
    found = place.ask(ref="hotfix/orders", soak=0.0)
    assert found["hotfix"].reason == "a hotfix; not asked: soak; approvals: 1"
    assert place.ask(ref="main") == {}


# -- sluice doctor --------------------------------------------------------------------------------------------------


def doctor(place: Place, block: str, **gates: Any) -> list[tuple[str, str, str]]:
    policy = place.session.policy("prod").model_copy(update={"gates": Gates(**gates)})
    found = github_findings(block, [policy], sha=place.sha, default_branch="main")
    return [(one.level, one.where, f"{one.what} {one.mend}") for one in found]


def test_the_doctor_asks_what_the_gates_will_ask(place: Place) -> None:
    first, second = doctor(place, "shop", checks=("test",), reviews=1, protection=True)
    assert first[:2] == ("ok", "github")
    assert "of 5000 requests left until" in first[2]
    assert second[:2] == ("ok", "github prod")
    place.github.tokens[TOKEN] -= {"administration"}
    _, second = doctor(place, "shop", checks=("test",), protection=True)
    assert second[0] == "fail"
    assert "administration=read" in second[2]
    place.github.remaining = 100
    assert doctor(place, "shop")[0][0] == "warn"


def test_the_doctor_looks_at_the_pull_requests_a_pipeline_asks_for(place: Place) -> None:
    def told(block: str) -> list[tuple[str, str]]:
        section = PullRequests(revert_after_rollback=("prod",))
        return [(one.level, f"{one.what} {one.mend}") for one in pull_request_findings(block, section)]

    assert list(pull_request_findings("", PullRequests())) == []
    assert told("shop") == [("ok", "0 are open; what is automatic is done by sluice-bot ")]
    ((level, said),) = told("")
    assert level == "fail"
    assert "the git-repository block names no github block" in said
    place.github.tokens[TOKEN] -= {"pull_requests"}
    ((level, said),) = told("shop")
    assert level == "fail"
    assert "pull_requests=read" in said


def test_the_doctor_tells_what_showing_needs(place: Place) -> None:
    policy = place.session.policy("prod").model_copy(update={"show": Show(status=True, release=True)})

    def told(block: str) -> list[tuple[str, str]]:
        found = github_findings(block, [policy], sha=place.sha, default_branch="main")
        return [(one.level, one.what) for one in found]

    assert told("shop")[1] == (
        "ok",
        "is shown there; the login needs Commit statuses: write, Contents: write, Pull requests: read",
    )
    assert told("") == [
        ("fail", "prod uses `show` for GitHub, and the git-repository block names no github block")
    ]


def test_the_doctor_says_that_a_block_is_missing(place: Place) -> None:
    ((level, where, what),) = doctor(place, "", reviews=1)
    assert (level, where) == ("fail", "github")
    assert "gates of prod ask GitHub" in what
    assert doctor(place, "") == []
    assert doctor(place, "gone")[0][0] == "fail"
