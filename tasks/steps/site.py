"""One environment on its hosts: all that starting and checking a release there needs, with or without a ledger."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.host.compose import ComposeProject
from tasks.kernel.protocols import Call, Fence, Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.pipeline import Policy
    from tasks.kernel.protocols import Host, Runner


@dataclass(kw_only=True)
class Site(ABC):
    """An environment, reached.

    Attributes:
        pipeline: The pipeline's name.
        policy: What decides, from the default branch.
        hosts: The environment's hosts, by name, in the pipeline's order.
        directories: Host name → the application's directory there.
        local: Runs commands on the control machine.
    """

    pipeline: str
    policy: Policy
    hosts: Mapping[str, Host]
    directories: Mapping[str, str]
    local: Runner

    @abstractmethod
    def fence(self, host: str) -> Fence:
        """Return the proof of the lease for one host.

        Raises:
            FencedError: The lease was lost.
        """

    @abstractmethod
    def secret(self, block: str) -> str:
        """Return the value of a Secret block; it is redacted from now on.

        Raises:
            TerminalError: It is not known.
        """

    @property
    def environment(self) -> str:
        """The environment's name."""
        return self.policy.name

    @property
    def primary(self) -> str:
        """The host that keeps the database: the first one."""
        return next(iter(self.hosts))

    def project(
        self,
        host: str,
        *,
        release_id: str | None,
        files: tuple[str, ...],
        profiles: tuple[str, ...],
        env_file: str | None,
    ) -> ComposeProject:
        """Return the compose project on a host.

        Args:
            release_id: The release whose bundle is used; None for the one that is `current`.
            files: The compose files within the bundle.
            profiles: The profiles that are started.
            env_file: The env file's name in the application's directory.

        Returns:
            What compose commands are built from.
        """
        directory = self.directories[host]
        folder = f"{directory}/releases/{release_id}" if release_id else f"{directory}/current"
        return ComposeProject(
            name=self.pipeline,
            directory=folder,
            env_file=f"{directory}/{env_file}" if env_file else None,
            files=tuple(f"{folder}/{name}" for name in files),
            profiles=profiles,
        )

    def change(
        self,
        host: str,
        argv: tuple[str, ...],
        *,
        seconds: float,
        idle: float | None = None,
        stdin: bytes | None = None,
    ) -> Call:
        """Return a fenced command for a host."""
        limits = Limits(total_seconds=seconds, idle_seconds=idle or seconds)
        return Call(argv=argv, stdin=stdin, limits=limits, fence=self.fence(host))
