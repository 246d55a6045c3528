"""Who wrote what comes in may not approve it, however long ago: real git, a real ledger, and the judge."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyotp
import pytest
from pydantic import SecretStr

from blocks.values.lifecycle import Status
from blocks.values.plans import Plan
from flows.domain.approvals.quorum import judge
from flows.domain.approvals.values import Answer, ApprovalPolicy, ApprovalQuestion, ApproverFacts, Refusal
from flows.promotion import flow as promote
from flows.rollback import restore as restoring
from tasks.git.mirror import GitMirror
from tasks.kernel.errors import TerminalError
from tasks.ledger.store import Ledger
from tests.flows.domain.samples import NOW, plan, release
from tests.lab.repository import Repository
from tests.tasks.git.test_mirror import WHO

SECRET = pyotp.random_base32()
POLICY = ApprovalPolicy(required=1, approvers=("zoe",))


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """250 commits come in after the first; the oldest of them is Zoe's."""
    made = Repository(tmp_path_factory.mktemp("authors") / "origin", WHO)
    made.commit("first", file="1")
    made.git("tag", "runs")
    made.commit_by("Zoe Oldest", "zoe@example.org", "the oldest that comes in")
    made.git("tag", "oldest")
    made.commits_of("Dora", "dora@example.com", 249)
    return made


@pytest.fixture
def mirror(origin: Repository, tmp_path: Path) -> GitMirror:
    found = GitMirror(str(origin.path), tmp_path / "mirror.git")
    found.fetch()
    return found


def planned(mirror: GitMirror, ledger: Ledger, running: str | None) -> Plan:
    """Plan to bring in the head, as a promotion does; what runs is in the ledger."""
    head = mirror.commit(mirror.resolve("main").sha)
    if running is None:
        return plan(commit=head, commits=(head,), running_release_id=None)
    runs = release(id="20261101000000-aaaaaaaaaaaa", commit=plan().commit.model_copy(update={"sha": running}))
    ledger.releases.record(runs)
    return plan(commit=head, commits=mirror.commits_between(running, head.sha)[0])


def asked(
    monkeypatch: pytest.MonkeyPatch, mirror: GitMirror, ledger: Ledger, what: Plan
) -> list[frozenset[str]]:
    """Return whom a promotion, and a restore, take for the authors when they ask."""
    told: list[frozenset[str]] = []

    def ask(*_: object, authors: frozenset[str], **__: object) -> Status:
        told.append(authors)
        return Status.APPROVED

    monkeypatch.setattr(promote, "ask_until_quorum", ask)
    monkeypatch.setattr(restoring, "ask_until_quorum", ask)
    run: Any = SimpleNamespace(mirror=mirror, ledger=ledger, promotion_id=1)
    work: Any = SimpleNamespace(
        run=run, release=release(commit=what.commit), request=SimpleNamespace(requested_by="cleo")
    )
    session: Any = SimpleNamespace(repository=SimpleNamespace(github=""))
    promote._approved(session, work, what, NOW)
    restoring.ask_for_restore(run, work.request, what)
    return told


def verdict(authors: frozenset[str]) -> Refusal:
    """Judge a yes of Zoe."""
    zoe = ApproverFacts(name="zoe", totp_secret=SecretStr(SECRET), identities=("zoe@example.org",))
    code = SecretStr(pyotp.TOTP(SECRET).at(NOW))
    answer = Answer(approver="zoe", decision="approve", code=code, plan_hash="a1" * 32)
    found = judge(
        answer,
        ApprovalQuestion(policy=POLICY, plan_hash="a1" * 32, authors=authors, requester="cleo"),
        earlier=(),
        approver=zoe,
        now=NOW,
    )
    return Refusal(found.refusal)


def test_the_author_of_an_older_commit_than_the_plan_lists_may_not_approve(
    monkeypatch: pytest.MonkeyPatch, mirror: GitMirror, ledger: Ledger
) -> None:
    what = planned(mirror, ledger, mirror.resolve("runs").sha)
    assert {commit.author_name for commit in what.commits} == {"Dora"}
    for authors in asked(monkeypatch, mirror, ledger, what):
        assert verdict(authors) is Refusal.IS_AUTHOR
        # Who wrote what ran before brings nothing in.
        assert WHO["EMAIL"] not in authors


def test_who_wrote_nothing_that_comes_in_may_approve(
    monkeypatch: pytest.MonkeyPatch, mirror: GitMirror, ledger: Ledger
) -> None:
    what = planned(mirror, ledger, mirror.resolve("oldest").sha)
    for authors in asked(monkeypatch, mirror, ledger, what):
        assert authors == {"Dora", "dora@example.com"}
        assert verdict(authors) is Refusal.NONE


@pytest.mark.parametrize("running", [None, "b" * 40], ids=["nothing runs yet", "what runs is lost"])
def test_where_nobody_knows_what_ran_before_all_authors_are_excluded(
    monkeypatch: pytest.MonkeyPatch, mirror: GitMirror, ledger: Ledger, running: str | None
) -> None:
    what = planned(mirror, ledger, running)
    for authors in asked(monkeypatch, mirror, ledger, what):
        assert verdict(authors) is Refusal.IS_AUTHOR
        assert WHO["EMAIL"] in authors


def test_where_what_runs_is_in_no_ledger_all_authors_are_excluded(
    monkeypatch: pytest.MonkeyPatch, mirror: GitMirror, ledger: Ledger
) -> None:
    what = planned(mirror, ledger, None).model_copy(
        update={"running_release_id": "20261101000000-cccccccccccc"}
    )
    for authors in asked(monkeypatch, mirror, ledger, what):
        assert verdict(authors) is Refusal.IS_AUTHOR


def test_where_a_commit_has_no_author_nobody_may_approve(
    monkeypatch: pytest.MonkeyPatch, origin: Repository, mirror: GitMirror, ledger: Ledger
) -> None:
    origin.git("checkout", "--quiet", "-b", "nobody", "oldest")
    origin.commit_by("", "", "by nobody")
    mirror.fetch()
    head = mirror.resolve("nobody").sha
    what = planned(mirror, ledger, mirror.resolve("oldest").sha).model_copy(
        update={"commit": mirror.commit(head)}
    )
    for authors in asked(monkeypatch, mirror, ledger, what):
        assert verdict(authors) is Refusal.AUTHOR_UNKNOWN


def test_where_git_does_not_tell_the_authors_nobody_may_approve(
    monkeypatch: pytest.MonkeyPatch, mirror: GitMirror, ledger: Ledger
) -> None:
    what = planned(mirror, ledger, None)

    def fail(*_: object) -> None:
        raise TerminalError("git log: more than 64 MiB were printed", "reduce what is read there")

    monkeypatch.setattr(mirror, "authors", fail)
    for authors in asked(monkeypatch, mirror, ledger, what):
        assert verdict(authors) is Refusal.AUTHOR_UNKNOWN
