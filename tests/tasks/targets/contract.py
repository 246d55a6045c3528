"""What any target must do, each a function of a scene, so that it can be shown to fail on a target that does not."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from blocks.values.lifecycle import Kind, Status
from blocks.values.manifests import Manifest
from blocks.values.offline import LiveRelease, OfflineRollback
from tasks.kernel.errors import FencedError, RefusedError, SluiceError, TerminalError
from tasks.kernel.protocols import Limits, Result
from tasks.targets.target.protocol import ReleaseFiles, Target
from tests.flows.domain.samples import NOW, release
from tests.tasks.packing import packed

IMAGE = "postgres:17"
SERVICES = ("one", "two")
LIMITS = Limits(60, 60)


class TargetScene(ABC):
    """A target on which nothing ran yet.

    Attributes:
        target: The target; the lease is held.
    """

    target: Target

    @abstractmethod
    def again(self) -> Target:
        """Return another target that leads to the same place, as a later run has it."""

    @abstractmethod
    def unreachable(self) -> Target:
        """Return the target as it is where it cannot be reached."""

    @abstractmethod
    def lose_lease(self) -> None:
        """Let somebody else take the lease."""

    @abstractmethod
    def kill(self, service: str) -> None:
        """End a service behind the target's back."""

    @abstractmethod
    def change_file(self, manifest: Manifest) -> None:
        """Change a file of a release by hand."""

    def bring(self, number: int, *, breaks: bool = False, image: str = IMAGE) -> Manifest:
        """Put a release there: the services say `ready`, and keep what is in /kept."""
        manifest, files = offer(number, breaks=breaks, image=image)
        self.target.put(manifest, files)
        return manifest

    def run(self, number: int) -> Manifest:
        """Bring a release and start it."""
        manifest = self.bring(number)
        self.target.start(manifest)
        return manifest

    def ask(self, *command: str) -> Result:
        """Run a command in a service that runs."""
        return self.target.run_in("one", command, seconds=60, on_line=lambda _: None)


def offer(number: int, *, breaks: bool = False, image: str = IMAGE) -> tuple[Manifest, ReleaseFiles]:
    """Return a release that can be put somewhere."""
    command = "exit 3" if breaks else "echo ready; exec sleep infinity"
    service = {
        "image": image,
        "init": True,
        "command": ["sh", "-c", command],
        "environment": {"RELEASE": str(number)},
        "volumes": ["kept:/kept"],
    }
    text = json.dumps({"services": dict.fromkeys(SERVICES, service), "volumes": {"kept": {}}})
    archive = packed({"compose.yaml": text})
    manifest = Manifest(
        release=release(id=f"2026112105330{number}-1f3c2ab00000", images=(), third_party={"one": image}),
        environment="prod",
        promotion_id=number,
        previous_release_id=None,
        compose_files=("compose.yaml",),
        services=SERVICES,
        images=dict.fromkeys(SERVICES, image),
        written=(),
        checksums=archive.checksums,
        links={},
        staged_at=NOW,
    )
    return manifest, ReleaseFiles(archive, "services: {}\n")


def running(target: Target) -> dict[str, str]:
    """Return service → the id of its instance, of those that run."""
    return {one.service: one.id for one in target.read_services() if one.status == "running"}


def where_nothing_ran_it_says_so(scene: TargetScene) -> None:
    facts = scene.target.read_facts()
    assert (facts.manifest, facts.containers, facts.running) == (None, (), ())
    assert scene.target.read_manifest() is None


def what_is_put_there_is_known_and_does_not_run(scene: TargetScene) -> None:
    manifest = scene.bring(1)
    scene.target.check_release(manifest, kept=False)
    assert scene.target.read_manifest(manifest.release.id) == manifest
    assert (scene.target.read_facts().manifest, running(scene.target)) == (None, {})


def facts_after_a_start_name_the_release(scene: TargetScene) -> None:
    for number in (1, 2):
        manifest = scene.run(number)
        facts = scene.target.read_facts()
        assert (facts.manifest, facts.running) == (manifest, SERVICES)
        assert scene.target.read_memory().current == manifest.release.id
        assert scene.target.read_state().facts.manifest == manifest


def starting_twice_leaves_what_runs(scene: TargetScene) -> None:
    manifest = scene.run(1)
    before = running(scene.target)
    scene.target.put(*offer(1))
    scene.target.start(manifest)
    assert running(scene.target) == before


def a_release_that_breaks_is_said_and_the_one_before_starts_again(scene: TargetScene) -> None:
    first, second = scene.run(1), scene.bring(2, breaks=True)
    with pytest.raises(TerminalError) as error:
        scene.target.start(second)
    assert second.release.id in error.value.what
    assert error.value.todo
    scene.target.start(first)
    facts = scene.target.read_facts()
    assert (facts.manifest, facts.running) == (first, SERVICES)


def a_stop_keeps_data(scene: TargetScene) -> None:
    manifest = scene.run(1)
    assert scene.ask("touch", "/kept/mark").ok
    scene.target.stop(manifest)
    assert running(scene.target) == {}
    assert scene.target.read_manifest() is None
    scene.target.start(manifest)
    assert scene.ask("test", "-e", "/kept/mark").ok


def a_pause_stops_what_is_named_and_no_more(scene: TargetScene) -> None:
    manifest = scene.run(1)
    scene.target.pause(manifest, ())
    assert {*running(scene.target)} == {*SERVICES}
    scene.target.pause(manifest, ("one",))
    assert {*running(scene.target)} == {"two"}
    assert scene.target.read_manifest() == manifest


def what_stopped_is_started_as_it_was(scene: TargetScene) -> None:
    manifest = scene.run(1)
    before = running(scene.target)
    scene.kill("one")
    assert scene.target.start_stopped(manifest, SERVICES) == ("one",)
    assert running(scene.target) == before
    assert scene.target.start_stopped(manifest, SERVICES) == ()


def memory_survives(scene: TargetScene) -> None:
    manifest = scene.run(1)
    live = tuple(
        LiveRelease(
            release_id=manifest.release.id, at=NOW + timedelta(hours=one), kind=Kind.PROMOTE, promotion_id=one
        )
        for one in (1, 2, 3)
    )
    for known in (live[:2], live, live):
        scene.target.remember(known)
    memory = scene.again().read_memory()
    assert memory.live == live
    assert memory.manifests == {manifest.release.id: manifest}
    assert memory.current == manifest.release.id


def a_rollback_without_the_ledger_is_told_until_the_ledger_has_it(scene: TargetScene) -> None:
    manifest = scene.run(1)
    record = OfflineRollback(
        id="20261121T053300Z",
        pipeline="shop",
        environment="prod",
        from_release_id=None,
        to_release_id=manifest.release.id,
        hosts=("prod",),
        who="me@here",
        started_at=NOW,
        ended_at=NOW,
        outcome=Status.SUCCEEDED,
        message="done",
        token=1,
    )
    # What was done is written down even where somebody else took over.
    scene.lose_lease()
    scene.target.write_rollback(record)
    assert scene.again().read_rollbacks() == (record,)
    for _ in range(2):
        scene.target.mark_recorded(record.id)
        assert scene.again().read_rollbacks() == ()


CHANGES: dict[str, Callable[[Target, Manifest], Any]] = {
    "put": lambda target, _: target.put(*offer(2)),
    "pull": lambda target, one: target.pull(one),
    "start": lambda target, one: target.start(one),
    "start stopped": lambda target, one: target.start_stopped(one, SERVICES),
    "pause": lambda target, one: target.pause(one, SERVICES),
    "stop": lambda target, one: target.stop(one),
    "remember": lambda target, one: target.remember(
        (LiveRelease(release_id=one.release.id, at=NOW, kind=Kind.PROMOTE, promotion_id=1),)
    ),
    "run once": lambda target, one: target.run_once(
        one, "one", ("touch", "/kept/late"), name="late", seconds=60, alone=True, env={}
    ),
    "prune": lambda target, _: target.prune((), digests=(), repositories=()),
}


def who_lost_the_lease_changes_nothing(scene: TargetScene) -> None:
    manifest = scene.run(1)
    scene.bring(3)
    scene.kill("two")
    before = (scene.target.read_memory().manifests, scene.target.read_memory().live, running(scene.target))
    scene.lose_lease()
    for what, change in CHANGES.items():
        with pytest.raises(FencedError):
            pytest.fail(f"{what} was made: {change(scene.target, manifest)}")
    memory = scene.target.read_memory()
    assert (memory.manifests, memory.live, running(scene.target)) == before
    assert not scene.ask("test", "-e", "/kept/late").ok


def a_one_off_tells_its_status_and_output(scene: TargetScene) -> None:
    manifest = scene.bring(1)
    assert not scene.target.end_once("shop-once", seconds=60)
    for status in (0, 3):
        result = scene.target.run_once(
            manifest,
            "one",
            ("sh", "-c", f"echo said; exit {status}"),
            name="shop-once",
            seconds=60,
            alone=True,
            env={},
        )
        assert (result.exit_code, result.stdout.split()) == (status, ["said"])
    assert not scene.target.runs_once("shop-once")
    assert running(scene.target) == {}


def a_command_in_a_service_tells_its_status(scene: TargetScene) -> None:
    assert not scene.ask("sh", "-c", "echo said; exit 0").ok
    scene.run(1)
    for status in (0, 3):
        result = scene.ask("sh", "-c", f"echo said; exit {status}")
        assert (result.exit_code, result.stdout.split()) == (status, ["said"])


def what_cannot_be_read_is_not_nothing(scene: TargetScene) -> None:
    scene.run(1)
    target = scene.unreachable()
    for read in (
        target.read_facts,
        target.read_services,
        target.read_memory,
        target.read_manifest,
        target.read_state,
        lambda: target.read_missing(offer(1)[0]),
        lambda: target.runs_once("shop-once"),
        lambda: target.check(ports=frozenset(), needed_bytes=0),
    ):
        with pytest.raises(SluiceError):
            pytest.fail(f"it said {read()}")


def an_image_that_nobody_has_is_named_and_nothing_starts(scene: TargetScene) -> None:
    there, image = scene.bring(1), "127.0.0.1:9/none/such:1"
    scene.target.pull(there)
    scene.target.pull(there)
    assert scene.target.read_missing(there) == ()
    lacking = scene.bring(2, image=image)
    with pytest.raises(SluiceError, match=image) as error:
        scene.target.pull(lacking)
    assert error.value.todo
    assert scene.target.read_missing(lacking) == (image,)
    assert running(scene.target) == {}


def what_is_kept_or_runs_is_not_pruned(scene: TargetScene) -> None:
    kept, gone, current = scene.bring(1), scene.bring(2), scene.run(3)
    keep = (kept.release.id, current.release.id)
    assert scene.target.prune(keep, digests=(), repositories=()) == (gone.release.id,)
    assert {*scene.target.read_memory().manifests} == {*keep}
    assert {*running(scene.target)} == {*SERVICES}


def what_services_logged_is_read(scene: TargetScene) -> None:
    scene.run(1)
    services = scene.target.read_services()
    raw = scene.target.read_logs(services, {one.id: 600 for one in services}, start_seconds=0, limits=LIMITS)
    assert raw.containers == services
    assert "ready" in raw.text


def a_target_that_cannot_carry_it_refuses(scene: TargetScene) -> None:
    assert scene.target.check(ports=frozenset(), needed_bytes=0)
    with pytest.raises(RefusedError):
        scene.target.check(ports=frozenset(), needed_bytes=1 << 60)


def a_release_that_somebody_changed_is_refused(scene: TargetScene) -> None:
    manifest = scene.bring(1)
    scene.target.check_release(manifest, kept=True)
    scene.change_file(manifest)
    with pytest.raises(RefusedError):
        scene.target.check_release(manifest, kept=True)


CONTRACT: tuple[Callable[[TargetScene], None], ...] = (
    where_nothing_ran_it_says_so,
    what_is_put_there_is_known_and_does_not_run,
    facts_after_a_start_name_the_release,
    starting_twice_leaves_what_runs,
    a_release_that_breaks_is_said_and_the_one_before_starts_again,
    a_stop_keeps_data,
    a_pause_stops_what_is_named_and_no_more,
    what_stopped_is_started_as_it_was,
    memory_survives,
    a_rollback_without_the_ledger_is_told_until_the_ledger_has_it,
    who_lost_the_lease_changes_nothing,
    a_one_off_tells_its_status_and_output,
    a_command_in_a_service_tells_its_status,
    what_cannot_be_read_is_not_nothing,
    an_image_that_nobody_has_is_named_and_nothing_starts,
    what_is_kept_or_runs_is_not_pruned,
    what_services_logged_is_read,
    a_target_that_cannot_carry_it_refuses,
    a_release_that_somebody_changed_is_refused,
)
