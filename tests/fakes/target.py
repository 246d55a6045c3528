"""A target in memory: releases, services and data, changed only by who holds the lease."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from blocks.values.drift import HostState
from blocks.values.facts import ContainerFact, HostFacts
from blocks.values.manifests import Manifest
from blocks.values.offline import HostMemory, LiveRelease, OfflineRollback
from blocks.values.watch import RawLogs
from tasks.kernel.errors import FencedError, RefusedError, TerminalError, TransientError
from tasks.kernel.protocols import Limits, LineSink, Result
from tasks.targets.target.protocol import ReleaseFiles, Target

_SAYS = re.compile(r"echo (\w+); exit (\d+)")
ROOM = 1 << 30


@dataclass
class FakePlace:
    """What outlives every `FakeTarget` that is made for it.

    Attributes:
        released: Release → what was put there.
        changed: Releases whose files somebody changed by hand.
        breaks: Releases that do not start.
        images: The images that are there.
        missing: Images that no registry has.
        current: The release that is current.
        services: Service → how it is.
        data: Paths that services wrote.
        live: The releases that ran.
        rollbacks: Those that were made without the ledger, which does not know them.
        highest: The highest token of a lease.
        answers: False where it cannot be reached.
        made: How many services were made so far.
    """

    released: dict[str, tuple[Manifest, ReleaseFiles]] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    breaks: set[str] = field(default_factory=set)
    images: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    current: str | None = None
    services: dict[str, ContainerFact] = field(default_factory=dict)
    data: set[str] = field(default_factory=set)
    live: tuple[LiveRelease, ...] = ()
    rollbacks: dict[str, OfflineRollback] = field(default_factory=dict)
    highest: int = 1
    answers: bool = True
    made: int = 0


@dataclass
class FakeTarget(Target):
    """A `Target` in memory.

    Attributes:
        place: What it leads to.
        token: The token of the lease it acts with.
    """

    place: FakePlace = field(default_factory=FakePlace)
    token: int = 1

    @property
    def name(self) -> str:
        return "prod"

    def read_facts(self) -> HostFacts:
        services = self.read_services()
        manifest = self.read_manifest()
        return HostFacts(host=self.name, manifest=manifest, env_file=None, containers=services)

    def read_services(self, *, patient: bool = False) -> tuple[ContainerFact, ...]:
        del patient
        return tuple(self._asked().services.values())

    def read_state(self) -> HostState:
        return HostState(facts=self.read_facts(), containers=(), files={}, override="")

    def read_memory(self) -> HostMemory:
        place = self._asked()
        manifests = {name: manifest for name, (manifest, _) in place.released.items()}
        return HostMemory(current=place.current, fence=place.highest, live=place.live, manifests=manifests)

    def read_manifest(self, release_id: str | None = None) -> Manifest | None:
        place = self._asked()
        found = place.released.get(release_id or place.current or "")
        return found[0] if found else None

    def read_rollbacks(self) -> tuple[OfflineRollback, ...]:
        return tuple(self._asked().rollbacks.values())

    def read_missing(self, manifest: Manifest) -> tuple[str, ...]:
        return tuple(sorted({*manifest.images.values()} - self._asked().images))

    def read_logs(
        self,
        services: tuple[ContainerFact, ...],
        since: Mapping[str, float],
        *,
        start_seconds: float,
        limits: Limits,
    ) -> RawLogs:
        del start_seconds, limits
        self._asked()
        return RawLogs(self.name, services, since, "mark", "ready\n")

    def hide_secrets(self) -> None:
        self._asked()

    def check(self, *, ports: frozenset[int], needed_bytes: int) -> str:
        del ports
        self._asked()
        if needed_bytes > ROOM:
            raise RefusedError(f"{self.name} has too little space", "free some")
        return "room enough"

    def check_release(self, manifest: Manifest, *, kept: bool) -> None:
        self._leased()
        if kept and manifest.release.id in self.place.changed:
            raise RefusedError(f"{manifest.release.id} is not what was put there", "bring it again")

    def put(self, manifest: Manifest, files: ReleaseFiles) -> str:
        self._leased().released[manifest.release.id] = (manifest, files)
        return manifest.release.id

    def pull(self, manifest: Manifest, *, only_written: bool = False) -> None:
        del only_written
        place = self._leased()
        wanted = {*manifest.images.values()}
        if lacking := sorted(wanted & place.missing):
            raise TerminalError(f"{self.name} cannot pull {lacking[0]}", "nothing was started")
        place.images |= wanted

    def start(self, manifest: Manifest, *, left: Manifest | None = None) -> None:
        del left
        place, name = self._leased(), manifest.release.id
        if name not in place.released:
            raise TerminalError(f"{name} was never put on {self.name}", "promote it")
        for service in manifest.services:
            known = place.services.get(service)
            if known is None or known.image != name or known.status != "running":
                self._make(service, name, status="exited" if name in place.breaks else "running")
        place.services = {one: place.services[one] for one in manifest.services}
        place.current = name
        if name in place.breaks:
            raise TerminalError(f"{name} does not start on {self.name}", "look at its log")

    def start_stopped(self, manifest: Manifest, services: tuple[str, ...]) -> tuple[str, ...]:
        del manifest
        place = self._leased()
        stopped = tuple(one for one in services if place.services[one].status != "running")
        for one in stopped:
            place.services[one] = place.services[one].model_copy(update={"status": "running"})
        return stopped

    def stop(self, manifest: Manifest) -> str:
        self.pause(manifest, manifest.services)
        self.place.current = None
        return "stopped"

    def pause(self, manifest: Manifest, services: tuple[str, ...]) -> None:
        del manifest
        place = self._leased()
        for one in services:
            place.services[one] = place.services[one].model_copy(update={"status": "exited"})

    def remember(self, live: tuple[LiveRelease, ...]) -> None:
        place = self._leased()
        known = {one.promotion_id for one in place.live}
        if live[-1].promotion_id not in known:
            place.live = (*place.live, live[-1]) if place.live else live

    def write_rollback(self, record: OfflineRollback) -> None:
        self._asked().rollbacks[record.id] = record

    def mark_recorded(self, identifier: str) -> None:
        self._asked().rollbacks.pop(identifier, None)

    def run_once(
        self,
        manifest: Manifest,
        service: str,
        command: tuple[str, ...],
        *,
        name: str,
        seconds: float,
        alone: bool,
        env: Mapping[str, str],
        on_line: LineSink | None = None,
    ) -> Result:
        del manifest, service, name, seconds, alone, env, on_line
        self._leased()
        return self._result(command)

    def end_once(self, name: str, *, seconds: float) -> bool:
        del name, seconds
        self._asked()
        return False

    def runs_once(self, name: str) -> bool:
        del name
        self._asked()
        return False

    def run_in(self, service: str, command: tuple[str, ...], *, seconds: float, on_line: LineSink) -> Result:
        del seconds, on_line
        known = self._asked().services.get(service)
        if known is None or known.status != "running":
            return Result(command, 69, "", f"{service} does not run", 0.0)
        return self._result(command)

    @contextmanager
    def reach(self, address: str, port: int) -> Iterator[int]:
        del address
        self._asked()
        yield port

    def prune(
        self, keep: tuple[str, ...], *, digests: tuple[str, ...], repositories: tuple[str, ...]
    ) -> tuple[str, ...]:
        del digests, repositories
        place = self._leased()
        gone = tuple(sorted({*place.released} - {*keep, place.current}))
        for one in gone:
            del place.released[one]
        return gone

    def again(self) -> FakeTarget:
        """Return another target that leads to the same place."""
        return replace(self)

    def _asked(self) -> FakePlace:
        if not self.place.answers:
            raise TransientError(f"{self.name} does not answer", "try again")
        return self.place

    def _leased(self) -> FakePlace:
        place = self._asked()
        if self.token < place.highest:
            raise FencedError(f"token {self.token} is not the one that stands, {place.highest}", "stop")
        return place

    def _make(self, service: str, release_id: str, *, status: str) -> None:
        self.place.made += 1
        code = 0 if status == "running" else 1
        self.place.services[service] = ContainerFact(
            id=str(self.place.made), service=service, image=release_id, status=status, exit_code=code
        )

    def _result(self, command: tuple[str, ...]) -> Result:
        """Answer `touch PATH`, `test -e PATH` and `sh -c "echo WORD; exit N"`."""
        said = _SAYS.fullmatch(command[-1])
        if said:
            return Result(command, int(said[2]), f"{said[1]}\n", "", 0.0)
        if command[0] == "touch":
            self.place.data.add(command[1])
        return Result(command, int(command[-1] not in self.place.data), "", "", 0.0)
