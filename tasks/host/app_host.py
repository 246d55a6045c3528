"""One application on one host: where it lies there, and what proves the right to change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.host.compose import ComposeProject
from tasks.host.read import QUICK, answer_of, await_containers, read_containers, read_manifest
from tasks.kernel.protocols import Call, Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from blocks.pipeline import Policy
    from blocks.values.facts import ContainerFact
    from blocks.values.manifests import Manifest
    from tasks.kernel.argv import Argv
    from tasks.kernel.protocols import Fence, Host, LineSink, Result


@dataclass(frozen=True)
class AppHost:
    """One application on one host.

    Attributes:
        pipeline: The pipeline's name, which is the compose project's.
        policy: What decides, from the default branch.
        host: The host.
        directory: The application's directory there.
        fence: Gives the proof of the lease; raises `FencedError` where it was lost.
    """

    pipeline: str
    policy: Policy
    host: Host
    directory: str
    fence: Callable[[], Fence]

    @property
    def name(self) -> str:
        """The host's name."""
        return self.host.name

    def ask(self, argv: Argv, *, limits: Limits = QUICK) -> Result:
        """Run a command that only reads."""
        return self.host.run(Call(argv=argv, limits=limits))

    def answer(self, argv: Argv, stdin: bytes | None = None, *, limits: Limits = QUICK) -> str:
        """Return what a command printed that decides what is kept.

        Raises:
            TerminalError: The command did not end well.
        """
        return answer_of(self.host, argv, stdin, limits=limits)

    def change(
        self,
        argv: Argv,
        *,
        seconds: float,
        stdin: bytes | None = None,
        on_line: LineSink | None = None,
    ) -> Result:
        """Run a fenced command."""
        call = Call(argv=argv, stdin=stdin, limits=Limits(seconds, seconds), fence=self.fence())
        return self.host.run(call, on_line=on_line)

    def containers(self, *, looks: int = 0, patient: bool = False) -> tuple[ContainerFact, ...]:
        """Read the application's containers.

        Args:
            looks: As in `read_containers`.
            patient: True to give an engine that is down a moment to come back.

        Raises:
            TerminalError: The engine does not answer.
        """
        if patient:
            return await_containers(self.host, self.pipeline)
        return read_containers(self.host, self.pipeline, looks=looks)

    def manifest(self, release_id: str | None = None) -> Manifest | None:
        """Read what the host remembers of a release, of the current one for None; None where there is none."""
        return read_manifest(self.host, self.directory, release_id)

    def folder(self, release_id: str) -> str:
        """Return the folder of a release's bundle."""
        return f"{self.directory}/releases/{release_id}"

    def project(self, manifest: Manifest, *, current: bool) -> ComposeProject:
        """Return the compose project of a release.

        Args:
            current: True for the stable path of the current release, so that mounts keep their source from release to
                release; False for the release's own folder, before the switch.
        """
        folder = f"{self.directory}/current" if current else self.folder(manifest.release.id)
        return ComposeProject(
            name=self.pipeline,
            directory=folder,
            env_file=f"{self.directory}/{manifest.env_file}" if manifest.env_file else None,
            files=tuple(f"{folder}/{name}" for name in manifest.compose_files),
            profiles=manifest.profiles,
        )
