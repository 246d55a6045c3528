"""Pull requests looked after by their flow: a real Prefect server, ledger and repository, a fake GitHub over HTTP."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.schemas.objects import State

import flows.pull_requests.flow
from blocks.git_repository import GitRepository
from blocks.values.deliveries import Arrived
from blocks.values.pull_requests import BY_RULE
from flows.core.github import open_pull_requests
from flows.pull_requests.flow import tend
from tasks.github.pull_requests import let_merge
from tasks.ledger.store import Ledger
from tests.fakes.github import TOKEN, FakeGitHub, Fault, pulls, shapes
from tests.fakes.github.server import EVERYTHING
from tests.lab.repository import Repository

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("github_block")]

PIPELINE = """\
pipeline: shop
pull_requests:
  open: [{branches: feature/*, into: staging}]
  auto_merge: [{into: staging, authors: ana, paths: docs/**, approve: true}]
environments:
  staging: {hosts: staging, branches: staging}
  prod: {hosts: prod, tags: v*, approvals: {approvers: ana}}
"""
BRANCH = "docs/prices"


@dataclass
class Place:
    """An application with a branch `staging`, GitHub's side of it, and the ledger deliveries are in."""

    shop: Repository
    github: FakeGitHub
    ledger: Ledger

    def push(
        self,
        branch: str,
        *,
        by: str = "ana",
        author: str | None = "ana",
        told: bool = True,
        files: dict[str, str | None] | None = None,
    ) -> str:
        """Push a commit: to the repository, to GitHub, and as a delivery."""
        known = branch in self.shop.git("branch", "--format=%(refname:short)").split()
        self.shop.git("checkout", "--quiet", *([branch] if known else ["-b", branch, "main"]))
        self.shop.git("commit", "--quiet", "--allow-empty", "--message=Prices in cents")
        sha = self.shop.git("rev-parse", "HEAD")
        self.shop.git("checkout", "--quiet", "main")
        pulls.push_branch(self.github, branch, sha, author=author, files=files or {})
        if told:
            self.tell(branch, sha, by)
        return sha

    def tell(self, branch: str, sha: str, by: str) -> None:
        """Take in the delivery of a push."""
        number = len(self.ledger.deliveries.newest(999))
        arrived = Arrived(
            delivery=f"push-{number}",
            event="push",
            repository="Acme/shop",
            ref=f"refs/heads/{branch}",
            sha=sha,
            sender=by,
            digest=f"{number:064x}",
            facts=json.dumps({}),
        )
        self.ledger.deliveries.take_in([arrived], datetime.now(UTC))

    def request(self, **given: Any) -> int:
        """Open a pull request into staging, as ana does."""
        plain = {"author": "ana", "title": "Prices"}
        return int(pulls.open_request(self.github, BRANCH, "staging", **plain | given)["number"])

    def pull(self, number: int) -> dict[str, Any]:
        return self.github.pull_state.known[number]

    def reviews(self, number: int) -> list[tuple[str, str]]:
        return [(one["user"]["login"], one["state"]) for one in self.github.reviews[number]]


@pytest.fixture
def place(tmp_path: Path, github: FakeGitHub, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Place:
    github.branches["staging"] = shapes.protection(reviews=1, checks={"test": None})
    shop = Repository.with_pipeline(tmp_path / "shop", PIPELINE)
    shop.git("branch", "staging")
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SLUICE_LEDGER_URL", f"sqlite:///{tmp_path / 'ledger.db'}")
    monkeypatch.setattr(flows.pull_requests.flow, "PUSH_SECONDS", 0.0)
    GitRepository(url=str(shop.path), github="shop").save("default", overwrite=True)
    return Place(shop, github, ledger)


def tended(branch: str = BRANCH) -> str:
    state: State[Any] = tend(branch, requested_by="ana", return_state=True)
    assert state.is_completed(), state.message
    return state.message or ""


def test_a_pushed_branch_gets_its_pull_request_once(place: Place) -> None:
    place.push("feature/cents")
    assert tended("feature/cents").startswith("#101 into staging is open; #101 waits for a person: ")
    pull = place.pull(101)
    assert (pull["head"]["ref"], pull["base"]["ref"], pull["draft"]) == ("feature/cents", "staging", False)
    assert pull["title"] == "Prices in cents"
    assert pull["body"].startswith("Opened because `feature/cents` was pushed by `ana`.")
    assert pull["user"]["login"] == pulls.BOT
    assert tended("feature/cents").startswith("#101 is open already")
    assert len(place.github.pull_state.known) == 1


def test_what_a_person_closed_stays_closed_and_what_was_merged_opens_anew(place: Place) -> None:
    place.push("feature/cents")
    tended("feature/cents")
    place.pull(101)["state"] = "closed"
    place.push("feature/cents")
    assert tended("feature/cents") == "#101 was closed without a merge, and stays so"
    place.pull(101)["state"] = "open"
    pulls.merge(place.github, 101, "ben")
    place.push("feature/cents")
    assert "into staging is open" in tended("feature/cents")
    assert len(place.github.pull_state.known) == 2


def test_nothing_to_open(place: Place) -> None:
    assert tended("feature/gone") == "feature/gone is not in the repository any more"
    place.shop.git("branch", "feature/same", "staging")
    assert tended("feature/same") == "feature/same has no open pull request"


def test_docs_of_a_listed_author_are_merged_when_the_checks_are_green(place: Place) -> None:
    sha = place.push(BRANCH, files={"docs/a.md": None})
    number = place.request()
    assert tended() == f"#{number} is approved and merged as soon as its checks are green"
    assert place.reviews(number) == [(pulls.BOT, "APPROVED")]
    assert place.github.reviews[number][0]["body"].startswith(BY_RULE)
    assert tended() == f"#{number} is merged as soon as its checks are green"
    assert place.reviews(number) == [(pulls.BOT, "APPROVED")]
    place.github.report_run(sha, "test", "failure")
    assert place.pull(number)["merged_at"] is None
    place.github.report_run(sha, "test", "success")
    assert place.pull(number)["merged_at"] is not None
    assert place.pull(number)["merged_by"]["login"] == pulls.BOT
    assert tended() == f"{BRANCH} has no open pull request"


def test_what_is_green_already_is_merged_at_once(place: Place) -> None:
    sha = place.push(BRANCH, files={"docs/a.md": None})
    place.github.report_run(sha, "test", "success")
    number = place.request()
    assert tended() == f"#{number} is approved and merged"
    assert place.pull(number)["merged_at"] is not None


@pytest.mark.parametrize(
    ("push", "given", "said"),
    [
        ({"files": {"src/a.py": None}}, {}, "src/a.py is not among the paths"),
        ({"files": {"docs/a.md": "src/a.py"}}, {}, "src/a.py is not among the paths"),
        ({"author": "eve"}, {}, "eve wrote one of its commits"),
        ({"author": None}, {}, "GitHub does not know who wrote"),
        ({"by": "eve"}, {}, "eve pushed to its branch"),
        ({"told": False}, {}, "no delivery says who pushed"),
        ({}, {"author": "eve"}, "eve is not a listed author"),
        ({}, {"fork": "eve/shop"}, "has no open pull request"),
        ({}, {"draft": True}, "it is a draft"),
    ],
)
def test_whatever_is_not_as_it_must_be_waits_for_a_person(
    place: Place, push: dict[str, Any], given: dict[str, Any], said: str
) -> None:
    sha = place.push(BRANCH, **{"files": {"docs/a.md": None}} | push)
    place.github.report_run(sha, "test", "success")
    number = place.request(**given)
    if "fork" in given:
        place.pull(number)["head"]["label"] = f"eve:{BRANCH}"
    assert said in tended()
    assert place.reviews(number) == []
    assert place.pull(number)["merged_at"] is None


def test_what_somebody_else_pushes_takes_it_back(place: Place) -> None:
    """GitHub lets auto-merge stand when somebody with the right to write pushes: Sluice does not."""
    rules = place.github.branches["staging"]
    assert rules is not None
    rules["required_pull_request_reviews"]["dismiss_stale_reviews"] = False
    place.push(BRANCH, files={"docs/a.md": None})
    number = place.request()
    tended()
    sha = place.push(BRANCH, by="eve", files={"docs/b.md": None})
    assert tended() == (
        f"#{number} waits for a person: eve pushed to its branch, and ana opened it; "
        "withdrawn: auto-merge, an approval"
    )
    place.github.report_run(sha, "test", "success")
    assert place.pull(number)["merged_at"] is None
    assert place.reviews(number) == [(pulls.BOT, "DISMISSED")]


def test_a_push_that_is_told_of_late_is_waited_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows.pull_requests.flow, "PUSH_SECONDS", 60.0)
    sha = place.push(BRANCH, told=False, files={"docs/a.md": None})
    number = place.request()
    timer = threading.Timer(1, place.tell, (BRANCH, sha, "ana"))
    timer.start()
    began = time.monotonic()
    assert tended() == f"#{number} is approved and merged as soon as its checks are green"
    timer.join()
    assert 0.9 < time.monotonic() - began < 30


def test_a_branch_without_required_checks_holds_nothing_back(place: Place) -> None:
    place.github.branches["staging"] = None
    place.push(BRANCH, files={"docs/a.md": None})
    place.request()
    assert "GitHub requires no check on staging" in tended()


def test_an_outage_is_tried_again_and_a_lost_answer_doubles_nothing(place: Place) -> None:
    sha = place.push(BRANCH, files={"docs/a.md": None})
    place.github.report_run(sha, "test", "success")
    number = place.request()
    place.github.faults.append(Fault("/graphql", 502, "Bad Gateway", times=1))
    place.github.faults.append(Fault(f"/pulls/{number}/files", 503, "Unavailable", times=1))
    # The approval of the first try is found by the second.
    assert tended() == f"#{number} is merged"
    assert len(place.reviews(number)) == 1


def test_a_merge_whose_answer_got_lost_is_no_failure(place: Place) -> None:
    place.push(BRANCH, files={"docs/a.md": None})
    number = place.request()
    client = open_pull_requests("shop")
    pull = client.pulls.pull(number)
    stale = json.dumps(pulls.detailed(place.github, place.pull(number)))
    pulls.merge(place.github, number, pulls.BOT)
    assert (
        let_merge.fn(client.pulls, pull=pull, method="squash", approval=None).text
        == f"#{number} is merged already"
    )

    @flow
    def letting() -> str:
        return let_merge(client.pulls, pull=pull, method="squash", approval=None).text

    # As if it had been merged between the look and the change.
    place.github.faults.append(Fault(f"/pulls/{number}", 200, body=stale))
    assert letting() == f"#{number} is merged"
    client.close()


def test_what_is_missing_is_said_in_one_line(place: Place) -> None:
    place.push(BRANCH, files={"docs/a.md": None})
    place.request()
    place.github.tokens[TOKEN] = EVERYTHING - {"pull_requests:write"}
    state: State[Any] = tend(BRANCH, return_state=True)
    assert state.is_failed()
    assert "give it the permission pull_requests=write" in (state.message or "")
    GitRepository(url=str(place.shop.path)).save("default", overwrite=True)
    state = tend(BRANCH, return_state=True)
    assert "the git-repository block names no github block" in (state.message or "")


def test_a_pipeline_that_asks_for_nothing(place: Place) -> None:
    bare = PIPELINE[: PIPELINE.index("pull_requests")] + PIPELINE[PIPELINE.index("environments") :]
    place.shop.change_pipeline(bare)
    assert tended() == f"the pipeline has no rule for {BRANCH}"
    assert place.github.asked == []


def test_a_branch_cannot_loosen_its_own_rule(place: Place) -> None:
    """The rules are the default branch's, whatever the branch says."""
    place.push(BRANCH, files={"src/a.py": None})
    place.shop.git("checkout", "--quiet", BRANCH)
    place.shop.change_pipeline(PIPELINE.replace("docs/**", "'**'"))
    place.shop.git("checkout", "--quiet", "main")
    sha = place.shop.git("rev-parse", BRANCH)
    pulls.push_branch(place.github, BRANCH, sha, files={"pipeline.yaml": None})
    place.tell(BRANCH, sha, "ana")
    place.request()
    assert "waits for a person" in tended()
