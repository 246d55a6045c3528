"""One environment on its hosts: all that starting and checking a release there needs, with or without a ledger."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tasks.host.app_host import AppHost
from tasks.kernel.protocols import Call, Fence, Limits
from tasks.targets.catalog import COMPOSE, TARGETS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.pipeline import Policy
    from tasks.kernel.protocols import Host, Runner
    from tasks.targets.target.protocol import Target


@dataclass(kw_only=True)
class Site(ABC):
    """An environment, reached.

    Attributes:
        pipeline: The pipeline's name.
        policy: What decides, from the default branch.
        hosts: The environment's hosts, by name, in the pipeline's order.
        directories: Host name → the application's directory there.
        local: Runs commands on the control machine.
        registry_login: The Docker configuration (JSON) that logs in to the registry, for hosts.
        kinds: Host name → the slug of its block's type, for those that are no servers with Docker Compose.
    """

    pipeline: str
    policy: Policy
    hosts: Mapping[str, Host]
    directories: Mapping[str, str]
    local: Runner
    registry_login: str = field(default="{}", repr=False)
    kinds: Mapping[str, str] = field(default_factory=dict)

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

    def target(self, host: str) -> Target:
        """Return the place where a release runs, by one of the environment's names for it."""
        return TARGETS[self.kinds.get(host, COMPOSE)](self.app(host), self.registry_login)

    def app(self, host: str) -> AppHost:
        """Return the application on a host."""
        return AppHost(
            self.pipeline, self.policy, self.hosts[host], self.directories[host], lambda: self.fence(host)
        )

    def change(
        self,
        host: str,
        argv: tuple[str, ...],
        *,
        seconds: float,
        stdin: bytes | None = None,
    ) -> Call:
        """Return a fenced command for a host."""
        return Call(argv=argv, stdin=stdin, limits=Limits(seconds, seconds), fence=self.fence(host))
