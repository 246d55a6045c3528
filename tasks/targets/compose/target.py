"""A target that is a server with Docker Compose, reached over SSH."""

# ruff: noqa: D102 - what each method promises stands in `Target`
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tasks.host.docker import remove_container, wait_container
from tasks.host.files import missing_images, prune_images
from tasks.host.host_facts import IN_SERVICE
from tasks.host.scripts import script
from tasks.kernel.errors import TerminalError
from tasks.kernel.protocols import Call, Limits
from tasks.targets.compose import rollbacks, start
from tasks.targets.compose.facts import read_env_keys, read_facts
from tasks.targets.compose.logs import read_raw_logs
from tasks.targets.compose.memory import append_live, read_memory
from tasks.targets.compose.old_releases import prune_releases
from tasks.targets.compose.preflight import check_bundle, check_host
from tasks.targets.compose.pull import pull_images
from tasks.targets.compose.put import put_bundle
from tasks.targets.compose.state import list_containers, read_state
from tasks.targets.target.protocol import Target

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from blocks.values.drift import HostState
    from blocks.values.facts import ContainerFact, HostFacts
    from blocks.values.manifests import Manifest
    from blocks.values.offline import HostMemory, LiveRelease, OfflineRollback
    from blocks.values.watch import RawLogs
    from tasks.host.app_host import AppHost
    from tasks.kernel.protocols import LineSink, Result
    from tasks.targets.target.protocol import ReleaseFiles


@dataclass(frozen=True)
class ComposeTarget(Target):
    """One application on one host; what each method promises stands in `Target`.

    Attributes:
        app: The application on its host.
        registry_login: The Docker configuration (JSON) that logs in to the registry.
    """

    app: AppHost
    registry_login: str = field(repr=False)

    @property
    def name(self) -> str:
        return self.app.name

    def read_facts(self) -> HostFacts:
        return read_facts(self.app)

    def read_services(self, *, patient: bool = False) -> tuple[ContainerFact, ...]:
        return self.app.containers(patient=patient)

    def read_state(self) -> HostState:
        return read_state(self.app)

    def read_memory(self) -> HostMemory:
        return read_memory(self.app)

    def read_manifest(self, release_id: str | None = None) -> Manifest | None:
        return self.app.manifest(release_id)

    def read_rollbacks(self) -> tuple[OfflineRollback, ...]:
        return rollbacks.read_rollbacks(self.app)

    def read_missing(self, manifest: Manifest) -> tuple[str, ...]:
        release, services = manifest.release, {*manifest.services}
        ours = {image.reference for image in release.images if {*image.services} & services}
        others = {image for service, image in release.third_party.items() if service in services}
        return tuple(sorted(self.app.ask(missing_images(ours | others)).stdout.split()))

    def read_logs(
        self,
        services: tuple[ContainerFact, ...],
        since: Mapping[str, float],
        *,
        start_seconds: float,
        limits: Limits,
    ) -> RawLogs:
        return read_raw_logs(self.app, services, since, start_seconds=start_seconds, limits=limits)

    def hide_secrets(self) -> None:
        read_env_keys(self.app.host, self.app.directory, self.app.policy.env_files)

    def check(self, *, ports: frozenset[int], needed_bytes: int) -> str:
        return check_host(self.app, ports=ports, needed_bytes=needed_bytes)

    def check_release(self, manifest: Manifest, *, kept: bool) -> None:
        check_bundle(self.app, manifest, kept=kept)

    def put(self, manifest: Manifest, files: ReleaseFiles) -> str:
        return put_bundle(self.app, manifest, files)

    def pull(self, manifest: Manifest, *, only_written: bool = False) -> None:
        pull_images(self.app, manifest, registry_login=self.registry_login, only_written=only_written)

    def start(self, manifest: Manifest, *, left: Manifest | None = None) -> None:
        start.start(self.app, manifest, left=left)

    def start_stopped(self, manifest: Manifest, services: tuple[str, ...]) -> tuple[str, ...]:
        return start.start_stopped(self.app, manifest, services)

    def stop(self, manifest: Manifest) -> str:
        return start.stop(self.app, manifest)

    def pause(self, manifest: Manifest, services: tuple[str, ...]) -> None:
        start.pause(self.app, manifest, services)

    def remember(self, live: tuple[LiveRelease, ...]) -> None:
        append_live(self.app, live)

    def write_rollback(self, record: OfflineRollback) -> None:
        rollbacks.write_rollback(self.app, record)

    def mark_recorded(self, identifier: str) -> None:
        rollbacks.mark_recorded(self.app, identifier)

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
        project = self.app.project(manifest, current=False)
        argv = project.run_once(service, command, name=name, no_deps=alone, env=env)
        try:
            return self.app.change(argv, seconds=seconds, on_line=on_line)
        except TerminalError:
            self.app.change(remove_container(name), seconds=60)
            raise

    def end_once(self, name: str, *, seconds: float) -> bool:
        left = self.app.ask(wait_container(name), limits=Limits(seconds, seconds)).ok
        if left:
            self.app.change(remove_container(name), seconds=60)
        return left

    def runs_once(self, name: str) -> bool:
        return any(one.name == name and one.running for one in list_containers(self.app.host))

    def run_in(self, service: str, command: tuple[str, ...], *, seconds: float, on_line: LineSink) -> Result:
        argv = script(IN_SERVICE, "sluice-service", self.app.pipeline, service, *command)
        return self.app.host.run(Call(argv=argv, limits=Limits(seconds, seconds)), on_line=on_line)

    def reach(self, address: str, port: int) -> AbstractContextManager[int]:
        return self.app.host.tunnel(address, port)

    def prune(
        self, keep: tuple[str, ...], *, digests: tuple[str, ...], repositories: tuple[str, ...]
    ) -> tuple[str, ...]:
        images = prune_images(repositories, digests)
        return (
            *prune_releases(self.app, keep),
            *self.app.change(images, seconds=300).stdout.split(),
        )
