"""From a commit to a release: what is built, pushed and asked for, and when."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from blocks.values.lifecycle import Status
from blocks.values.receipts import PushReceipt
from blocks.values.releases import Image, Revision
from blocks.values.resolved import Resolved
from flows.promotion import pending_release
from flows.promotion.pending_release import PendingRelease, begin_release
from tasks.images.commands.bake import BuildTarget
from tasks.kernel.errors import TerminalError
from tasks.ledger.store import Ledger
from tests.fakes.steps import FakeSteps
from tests.flows.servers import make_run, server
from tests.tasks.ledger.samples import START, make_commit, make_release

RESOLVED = Resolved(
    kind="branch", name="main", commit=make_commit("new"), tree="t" * 40, policy_text="", release_text=""
)
TARGETS = (
    BuildTarget(name="backend", services=("backend", "worker")),
    BuildTarget(name="frontend", services=("frontend",)),
)
LISTED = (Revision(id="m1"), Revision(id="m2", down=("m1",)))
ALEMBIC = SimpleNamespace(service="backend", alembic="alembic.ini")


class Begun:
    """A release that is begun from a commit."""

    def __init__(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps = steps = FakeSteps(monkeypatch)
        self.run = make_run(ledger, [server("web-1")], Status.PLANNING)
        self.run.mirror = cast("Any", SimpleNamespace(public_url="https://git.example/shop"))
        self.run.description = cast("Any", SimpleNamespace(migration=ALEMBIC))
        self.found: dict[str, str] = {}
        self.targets: tuple[BuildTarget, ...] = TARGETS
        steps.call(pending_release)
        for name, answer in (
            ("pin_images", {"redis:7": "redis@sha256:77"}),
            ("find_images", lambda **_: self.found),
            ("build", None),
            ("push", self._pushed),
            ("list_revisions", LISTED),
        ):
            steps.replace(pending_release, name, answer)
        monkeypatch.setattr(pending_release, "group_targets", lambda *_: self.targets)
        monkeypatch.setattr(
            pending_release, "third_party_images", lambda *_: {"redis": "redis:7", "db": "pg"}
        )
        monkeypatch.setattr(pending_release, "confined", lambda *_, image: image)

    @staticmethod
    def _pushed(*, target: str, **_: object) -> PushReceipt:
        return PushReceipt(repository=target, digest=f"sha256:{target:x<64}", seconds=1)

    def __call__(self, **more: Any) -> PendingRelease:
        described = SimpleNamespace(fixed_images=frozenset({"redis"}), sha=RESOLVED.commit.sha)
        sources: Any = SimpleNamespace(bake="", config={}, described=described)
        return begin_release(self.run, RESOLVED, sources, **more)


@pytest.fixture
def begin(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Begun:
    return Begun(ledger, monkeypatch)


def test_what_the_registry_has_is_neither_built_nor_pushed(begin: Begun) -> None:
    begin.found = {"backend": "sha256:b", "frontend": "sha256:f"}
    pending = begin()
    assert begin.steps.done == ["pin_images", "find_images", "list_revisions"]
    assert not pending.built
    assert {image.target: image.digest for image in pending.release.images} == begin.found


def test_only_what_is_missing_is_built_and_pushed(begin: Begun) -> None:
    begin.found = {"frontend": "sha256:f"}
    pending = begin()
    assert begin.steps.done == ["pin_images", "find_images", "build", "push", "list_revisions"]
    assert begin.steps.of("build")[0]["targets"] == TARGETS[:1]
    assert pending.built
    (backend, frontend) = pending.release.images
    assert backend == Image(
        target="backend",
        repository="registry.test/shop/backend",
        digest=f"sha256:{'backend':x<64}",
        services=("backend", "worker"),
    )
    assert frontend.digest == "sha256:f"
    # A name that is written out is pinned; one that a variable decides stays as it is.
    assert pending.release.third_party == {"redis": "redis@sha256:77", "db": "pg"}


def test_a_push_that_was_cut_is_made_again_for_its_receipt(begin: Begun) -> None:
    begin.found = {"backend": "sha256:b", "frontend": "sha256:f"}
    begin.run.ledger.steps.start(begin.run.promotion_id, "push", "frontend", now=START)
    begin()
    assert [given["target"] for given in begin.steps.of("push")] == ["frontend"]


def test_the_release_is_recorded_with_its_migrations(begin: Begun) -> None:
    pending = begin()
    assert pending.release.revisions == ()
    found = pending.finish(lambda: None)
    assert found.revisions == LISTED
    assert begin.run.ledger.releases.get(pending.release_id) == found
    assert begin.steps.done.count("list_revisions") == 1


def test_migrations_that_are_listed_elsewhere_are_not_asked_for(begin: Begun) -> None:
    pending = begin(lists=False)
    assert pending.finish(lambda: LISTED[:1]).revisions == LISTED[:1]
    assert "list_revisions" not in begin.steps.done


def test_where_nothing_listed_them_elsewhere_the_image_is_asked_at_the_end(begin: Begun) -> None:
    pending = begin(lists=False)
    assert "list_revisions" not in begin.steps.done
    assert pending.finish(lambda: None).revisions == LISTED
    assert begin.steps.done[-1] == "list_revisions"


@pytest.mark.parametrize(
    "migration",
    [None, SimpleNamespace(service="db", alembic="x"), SimpleNamespace(alembic=None, service="backend")],
)
def test_a_release_whose_migrations_nobody_can_list_has_none(begin: Begun, migration: Any) -> None:
    begin.run.description = cast("Any", SimpleNamespace(migration=migration))
    assert begin().finish(lambda: LISTED).revisions == ()
    assert "list_revisions" not in begin.steps.done


def test_a_push_that_fails_shows_when_the_release_is_needed(begin: Begun) -> None:
    begin.steps.errors["push"] = TerminalError("the push was refused: denied")
    pending = begin()
    pending.let_pushes_go_first()
    pending.settle()
    with pytest.raises(TerminalError, match="denied"):
        _ = pending.release


def test_a_build_that_fails_ends_it(begin: Begun) -> None:
    begin.steps.errors["build"] = TerminalError("build: no such stage")
    with pytest.raises(TerminalError, match="no such stage"):
        begin()
    assert "push" not in begin.steps.done


def test_without_images_of_its_own_a_release_is_its_files(begin: Begun) -> None:
    begin.targets = ()
    assert begin().release.images == ()
    assert "find_images" not in begin.steps.done


def test_a_release_of_the_ledger_is_there_at_once(begin: Begun) -> None:
    known = make_release("one")
    pending = PendingRelease.recorded(begin.run, known)
    assert (pending.release, pending.finish(lambda: LISTED), pending.built) == (known, known, False)
    assert begin.run.ledger.releases.get(known.id) is None
