"""What flows and steps ask of the place where a release runs. Each kind is a folder beside this file."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.values.drift import HostState
    from blocks.values.facts import ContainerFact, HostFacts
    from blocks.values.manifests import Manifest
    from blocks.values.offline import HostMemory, LiveRelease, OfflineRollback
    from blocks.values.watch import RawLogs
    from tasks.kernel.archive import Archive
    from tasks.kernel.protocols import Limits, LineSink, Result

OVERRIDE = "sluice.override.yaml"


@dataclass(frozen=True)
class ReleaseFiles:
    """What a target is given of a release beside its manifest.

    Attributes:
        archive: The bundle's files from the commit.
        override: The text of the generated compose file that names images by digest.
        shared: Pairs of a path within the bundle and what it links to, relative to the application's directory: env
            files and data folders that are not part of a release.
    """

    archive: Archive
    override: str
    shared: tuple[tuple[str, str], ...] = ()


class Target(Protocol):
    """One application at one of the places an environment names under `hosts`.

    Every change needs the lease and is refused without it; every change may be made twice. What cannot be read is
    raised, never taken for nothing.

    Raises:
        FencedError: The lease was lost; nothing was changed.
        TransientError: It does not answer.
        TerminalError: It answered that it cannot; the message has a next step.
    """

    @property
    def name(self) -> str:
        """The name it has under `hosts`."""

    def read_facts(self) -> HostFacts:
        """Read what a plan needs to know; nothing of the database."""

    def read_services(self, *, patient: bool = False) -> tuple[ContainerFact, ...]:
        """Read which services run and how they are; patient gives an engine that is down a moment to come back."""

    def read_state(self) -> HostState:
        """Read all that is compared with the ledger: facts, what else runs there, what lies in the bundle."""

    def read_memory(self) -> HostMemory:
        """Read all that it remembers by itself: manifests, and the releases that ran."""

    def read_manifest(self, release_id: str | None = None) -> Manifest | None:
        """Read what it remembers of a release, of the one that runs for None; None where it knows none."""

    def read_rollbacks(self) -> tuple[OfflineRollback, ...]:
        """Read the rollbacks made without the ledger that it does not know yet, oldest first."""

    def read_missing(self, manifest: Manifest) -> tuple[str, ...]:
        """Read which of a release's images are not there, sorted."""

    def read_logs(
        self,
        services: tuple[ContainerFact, ...],
        since: Mapping[str, float],
        *,
        start_seconds: float,
        limits: Limits,
    ) -> RawLogs:
        """Read what services logged.

        Args:
            since: Container id → how many seconds to go back.
            start_seconds: How much of the beginning of each log is read as well; 0 for nothing.
        """

    def hide_secrets(self) -> None:
        """Have the secrets of its own settings redacted from now on, should a log or an answer hold one."""

    def check(self, *, ports: frozenset[int], needed_bytes: int) -> str:
        """See whether it can carry a change; return what it has, in a line.

        Args:
            ports: The TCP ports the release publishes.
            needed_bytes: Space the change needs there, beyond a reserve.

        Raises:
            RefusedError: Something is not as it must be; the message lists everything.
        """

    def check_release(self, manifest: Manifest, *, kept: bool) -> None:
        """See whether it takes a release that was put there.

        Args:
            kept: True for one that lies there since an earlier promotion, whose files are compared with what was put
                there.

        Raises:
            RefusedError: It refuses the configuration, or a file was changed.
        """

    def put(self, manifest: Manifest, files: ReleaseFiles) -> str:
        """Put a release beside the one that runs; return where."""

    def pull(self, manifest: Manifest, *, only_written: bool = False) -> None:
        """Bring a release's images; what is there is not brought again.

        Args:
            only_written: True to leave out images of whose names the target's own settings decide a part.
        """

    def start(self, manifest: Manifest, *, left: Manifest | None = None) -> None:
        """Make a release that was put there the one that runs, and wait until it is well.

        Args:
            left: The release whose data goes along; None for nobody's.

        Raises:
            TerminalError: It does not start; the release before it can be started again.
        """

    def start_stopped(self, manifest: Manifest, services: tuple[str, ...]) -> tuple[str, ...]:
        """Start those of some services of the running release that do not run, as they are; return them."""

    def stop(self, manifest: Manifest) -> str:
        """Stop a release that was the first one, so that nothing runs; data stays. Return a line that says so."""

    def pause(self, manifest: Manifest, services: tuple[str, ...]) -> None:
        """Stop some services of the release that runs, so that nothing writes.

        Raises:
            TerminalError: They do not stop.
        """

    def remember(self, live: tuple[LiveRelease, ...]) -> None:
        """Add the newest of the releases that ran to its memory; all of them where it has none."""

    def write_rollback(self, record: OfflineRollback) -> None:
        """Write down a rollback made without the ledger; no lease is needed for that and for `mark_recorded`."""

    def mark_recorded(self, identifier: str) -> None:
        """Take note that the ledger has a rollback now."""

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
        """Run a command in a new instance of a service of a release that was put there, then remove it.

        Args:
            name: The instance's name, by which another try finds it.
            alone: True where the services it depends on run already.
            env: Variables added to its environment; no secrets.

        Raises:
            TerminalError: It took too long and was ended.
        """

    def end_once(self, name: str, *, seconds: float) -> bool:
        """Wait for what an earlier try of `run_once` left running, and remove it; False where there is none."""

    def runs_once(self, name: str) -> bool:
        """Say whether what `run_once` started under a name still runs."""

    def run_in(self, service: str, command: tuple[str, ...], *, seconds: float, on_line: LineSink) -> Result:
        """Run a command in the running instance of a service."""

    def reach(self, address: str, port: int) -> AbstractContextManager[int]:
        """Open a local loopback port that leads to an address as seen from there."""

    def prune(
        self, keep: tuple[str, ...], *, digests: tuple[str, ...], repositories: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Remove releases and images that are not kept, but those with data nobody carried on; return their names."""
