"""The contract of a target on the fake, on a server of the lab, and on fakes that break it on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from blocks.catalog import BLOCKS
from blocks.values.facts import ContainerFact, HostFacts
from blocks.values.manifests import Manifest
from blocks.values.watch import RawLogs
from tasks.kernel.protocols import Fence, LineSink, Result
from tasks.steps.run import Run
from tasks.targets.catalog import TARGETS
from tasks.targets.target.protocol import Target
from tests.fakes.target import FakePlace, FakeTarget
from tests.lab.connect import connect
from tests.lab.lab import Lab
from tests.lab.server import Server
from tests.samples.runs import APP
from tests.tasks.database.postgres import run_on
from tests.tasks.targets import contract
from tests.tasks.targets.contract import CONTRACT, TargetScene

NOBODY_HAS = "127.0.0.1:9/none/such:1"


class FakeScene(TargetScene):
    """A target in memory."""

    def __init__(self, kind: type[FakeTarget] = FakeTarget) -> None:
        self.target: FakeTarget = kind(FakePlace(missing={NOBODY_HAS}))

    def again(self) -> Target:
        return self.target.again()

    def unreachable(self) -> Target:
        return replace(self.target, place=FakePlace(answers=False))

    def lose_lease(self) -> None:
        self.target.place.highest += 1

    def kill(self, service: str) -> None:
        services = self.target.place.services
        services[service] = services[service].model_copy(update={"status": "exited", "exit_code": 137})

    def change_file(self, manifest: Manifest) -> None:
        self.target.place.changed.add(manifest.release.id)

    def bring(self, number: int, *, breaks: bool = False, image: str = contract.IMAGE) -> Manifest:
        manifest = super().bring(number, breaks=breaks, image=image)
        if breaks:
            self.target.place.breaks.add(manifest.release.id)
        return manifest


@dataclass
class StandingLease:
    """A lease that somebody else may take without being seen."""

    number: int = 1

    def token(self) -> int:
        return self.number


class ComposeScene(TargetScene):
    """A server of the lab."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.run_there = self._run()
        self.host.raise_fence(Fence(APP, 1))
        self.target = self.run_there.target(server.name)

    @property
    def host(self) -> Any:
        return self.run_there.hosts[self.server.name]

    def _run(self, **changes: object) -> Run:
        run = run_on(self.server)
        quick = run.policy.timeouts.model_copy(update={"settle": 1.0})
        policy = run.policy.model_copy(update={"timeouts": quick})
        hosts = {self.server.name: connect(self.server, **changes)}
        return replace(run, policy=policy, hosts=hosts, keeper=cast("Any", StandingLease()))

    def again(self) -> Target:
        return self._run().target(self.server.name)

    def unreachable(self) -> Target:
        return self._run(port=9, connect_seconds=2.0).target(self.server.name)

    def lose_lease(self) -> None:
        self.host.raise_fence(Fence(APP, 2))

    def kill(self, service: str) -> None:
        self.server.run(("docker", "kill", f"shop-{service}-1"))

    def change_file(self, manifest: Manifest) -> None:
        path = f"{APP}/releases/{manifest.release.id}/compose.yaml"
        self.server.run(("tee", path), stdin="services: {}\n")


@pytest.fixture(params=["fake", pytest.param("compose", marks=pytest.mark.lab)])
def scene(request: pytest.FixtureRequest) -> Any:
    if request.param == "fake":
        yield FakeScene()
        return
    lab: Lab = request.getfixturevalue("lab")
    server = lab.servers["prod"]
    server.reset()
    yield ComposeScene(server)
    server.reset()


@pytest.mark.parametrize("holds", CONTRACT, ids=lambda one: one.__name__)
def test_a_target_keeps_the_contract(scene: TargetScene, holds: Callable[[TargetScene], None]) -> None:
    holds(scene)


class Guesses(FakeTarget):
    """Names a release where it knows of none."""

    def read_manifest(self, release_id: str | None = None) -> Manifest | None:
        return super().read_manifest(release_id) or contract.offer(9)[0]


class LosesLogs(FakeTarget):
    """Says of every log that nothing is in it."""

    def read_logs(self, *args: Any, **more: Any) -> RawLogs:
        return replace(super().read_logs(*args, **more), text="")


class StartsAnew(FakeTarget):
    """Makes all services anew whenever it starts."""

    def start(self, manifest: Manifest, *, left: Manifest | None = None) -> None:
        self._leased().services.clear()
        super().start(manifest, left=left)


class SaysNothing(FakeTarget):
    """Says nothing where a release does not start."""

    def start(self, manifest: Manifest, *, left: Manifest | None = None) -> None:
        self.place.breaks.clear()
        super().start(manifest, left=left)


class NamesThePut(FakeTarget):
    """Takes for current what was put there first."""

    def read_facts(self) -> HostFacts:
        first = next(iter(self._asked().released.values()), None)
        return super().read_facts().model_copy(update={"manifest": first and first[0]})


class LosesData(FakeTarget):
    """Takes the data away with the services."""

    def stop(self, manifest: Manifest) -> str:
        self.place.data.clear()
        return super().stop(manifest)


class StopsAll(FakeTarget):
    """Pauses services that were not named."""

    def pause(self, manifest: Manifest, services: tuple[str, ...]) -> None:
        super().pause(manifest, tuple(self.place.services) if services else ())


class MakesAnew(FakeTarget):
    """Makes what stopped anew."""

    def start_stopped(self, manifest: Manifest, services: tuple[str, ...]) -> tuple[str, ...]:
        stopped = super().start_stopped(manifest, services)
        for one in stopped:
            self._make(one, manifest.release.id, status="running")
        return stopped


class Forgets(FakeTarget):
    """Remembers for as long as it is used."""

    def again(self) -> FakeTarget:
        return replace(self, place=replace(self.place, live=()))


class TellsForEver(FakeTarget):
    """Never takes note that the ledger knows."""

    def mark_recorded(self, identifier: str) -> None:
        """Forget it."""


class AsksNoLease(FakeTarget):
    """Obeys whoever asks."""

    def _leased(self) -> FakePlace:
        return self._asked()


class AlwaysWell(FakeTarget):
    """Says of every command that it went well."""

    def _result(self, command: tuple[str, ...]) -> Result:
        return replace(super()._result(command), exit_code=0)


class Mute(FakeTarget):
    """Tells of no command what it said."""

    def run_in(self, service: str, command: tuple[str, ...], *, seconds: float, on_line: LineSink) -> Result:
        return replace(super().run_in(service, command, seconds=seconds, on_line=on_line), stdout="")


class TakesSilenceForNothing(FakeTarget):
    """Takes a place that does not answer for one on which nothing runs."""

    def read_services(self, *, patient: bool = False) -> tuple[ContainerFact, ...]:
        return super().read_services(patient=patient) if self.place.answers else ()


class PullsAnything(FakeTarget):
    """Says of every image that it came."""

    def pull(self, manifest: Manifest, *, only_written: bool = False) -> None:
        self.place.missing.clear()
        super().pull(manifest, only_written=only_written)


class PrunesAll(FakeTarget):
    """Removes what is to be kept."""

    def prune(
        self, keep: tuple[str, ...], *, digests: tuple[str, ...], repositories: tuple[str, ...]
    ) -> tuple[str, ...]:
        return super().prune(keep[1:], digests=digests, repositories=repositories)


class TakesEverything(FakeTarget):
    """Refuses nothing."""

    def check(self, *, ports: frozenset[int], needed_bytes: int) -> str:
        return super().check(ports=ports, needed_bytes=min(needed_bytes, 0))

    def check_release(self, manifest: Manifest, *, kept: bool) -> None:
        super().check_release(manifest, kept=kept and False)


BREAKS: list[tuple[type[FakeTarget], Callable[[TargetScene], None]]] = [
    (Guesses, contract.where_nothing_ran_it_says_so),
    (LosesLogs, contract.what_services_logged_is_read),
    (NamesThePut, contract.what_is_put_there_is_known_and_does_not_run),
    (NamesThePut, contract.facts_after_a_start_name_the_release),
    (StartsAnew, contract.starting_twice_leaves_what_runs),
    (SaysNothing, contract.a_release_that_breaks_is_said_and_the_one_before_starts_again),
    (LosesData, contract.a_stop_keeps_data),
    (StopsAll, contract.a_pause_stops_what_is_named_and_no_more),
    (MakesAnew, contract.what_stopped_is_started_as_it_was),
    (Forgets, contract.memory_survives),
    (TellsForEver, contract.a_rollback_without_the_ledger_is_told_until_the_ledger_has_it),
    (AsksNoLease, contract.who_lost_the_lease_changes_nothing),
    (AlwaysWell, contract.a_one_off_tells_its_status_and_output),
    (Mute, contract.a_command_in_a_service_tells_its_status),
    (TakesSilenceForNothing, contract.what_cannot_be_read_is_not_nothing),
    (PullsAnything, contract.an_image_that_nobody_has_is_named_and_nothing_starts),
    (PrunesAll, contract.what_is_kept_or_runs_is_not_pruned),
    (TakesEverything, contract.a_target_that_cannot_carry_it_refuses),
    (TakesEverything, contract.a_release_that_somebody_changed_is_refused),
]


@pytest.mark.parametrize(("kind", "holds"), BREAKS)
def test_the_contract_finds_a_target_that_breaks_it(
    kind: type[FakeTarget], holds: Callable[[TargetScene], None]
) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        holds(FakeScene(kind))


def test_each_part_of_the_contract_was_seen_to_fail() -> None:
    assert {*CONTRACT} == {holds for _, holds in BREAKS}


def test_every_kind_of_target_has_a_block() -> None:
    assert {*TARGETS} <= {block.get_block_type_slug() for block in BLOCKS}


def test_a_site_uses_the_target_of_the_kind_its_block_has(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.flows.rollback.test_offline_hosts import prepared

    made: list[str] = []
    monkeypatch.setitem(cast("Any", TARGETS), "railway", lambda app, _: made.append(app.pipeline))
    site = prepared([]).site
    replace(site, hosts={"a": cast("Any", None)}, directories={"a": ""}, kinds={"a": "railway"}).target("a")
    assert made == ["shop"]
