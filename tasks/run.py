"""The live side of one promotion: the clients and records its steps work with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from blocks.values.base import Value
from tasks.adapters.protocols import Call, Fence, Limits
from tasks.adapters.redact import process_redactor
from tasks.commands.compose import ComposeProject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.pipeline import Policy, ReleaseDescription
    from tasks.adapters.git import GitMirror
    from tasks.adapters.protocols import Engine, Host, Registry, Runner
    from tasks.lease import LeaseKeeper
    from tasks.ledger.store import Ledger

V = TypeVar("V", bound=Value)


def utc_now() -> datetime:
    """Return the present time, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Journal:
    """The promotion's steps in the ledger.

    Attributes:
        ledger: The ledger.
        promotion_id: The promotion's row.
    """

    ledger: Ledger
    promotion_id: int

    def finished(self, name: str, host: str, receipt: type[V]) -> V | None:
        """Return the receipt of a step that finished, or None."""
        row = self.ledger.steps.get(self.promotion_id, name, host)
        if row is None or row.status != "finished" or row.receipt is None:
            return None
        return receipt.from_json(row.receipt)

    def begun(self, name: str) -> bool:
        """Say whether a step was begun on any host, finished or not."""
        return any(row.name == name for row in self.ledger.steps.of(self.promotion_id))

    @contextmanager
    def started(self, name: str, host: str) -> Iterator[Callable[[Value], None]]:
        """Write the step's row before its change, and its outcome after it.

        Yields:
            The function that records the receipt.
        """
        self.ledger.steps.start(self.promotion_id, name, host, now=utc_now())

        def record(receipt: Value) -> None:
            self.ledger.steps.finish(self.promotion_id, name, host, receipt=receipt, now=utc_now())

        try:
            yield record
        except Exception as error:
            text = process_redactor().text(str(error))[:2000]
            self.ledger.steps.fail(self.promotion_id, name, host, error=text, now=utc_now())
            raise


@dataclass
class Run:
    """Everything one promotion's steps need. It is never stored; a resumed run makes a new one.

    Attributes:
        ledger: The ledger.
        promotion_id: The promotion's row.
        pipeline: The pipeline's name.
        policy: What decides, from the default branch.
        description: What describes the release, from its commit.
        mirror: The application's repository.
        hosts: The environment's hosts, by name, in the pipeline's order.
        directories: Host name → the application's directory there.
        registry: The container registry.
        registry_prefix: Address and namespace images are pushed under.
        registry_login: The Docker configuration (JSON) that logs in to the registry, for hosts.
        engine: The engine that builds.
        local: Runs commands on the control machine.
        work: The folder of checkouts on the control machine.
        keeper: Holds the lease, once taken.
    """

    ledger: Ledger
    promotion_id: int
    pipeline: str
    policy: Policy
    description: ReleaseDescription
    mirror: GitMirror
    hosts: Mapping[str, Host]
    directories: Mapping[str, str]
    registry: Registry
    registry_prefix: str
    registry_login: str
    engine: Engine
    local: Runner
    work: Path
    keeper: LeaseKeeper | None = None
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        """Bind the journal to the promotion."""
        self.journal = Journal(self.ledger, self.promotion_id)

    @property
    def environment(self) -> str:
        """The environment's name."""
        return self.policy.name

    @property
    def primary(self) -> str:
        """The host that keeps the database: the first one."""
        return next(iter(self.hosts))

    def fence(self, host: str) -> Fence:
        """Return the proof of the lease for one host.

        Raises:
            FencedError: The lease was lost.
        """
        if self.keeper is None:
            raise RuntimeError("a change was asked for before the lease was taken")
        return Fence(directory=self.directories[host], token=self.keeper.token())

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
            host: The host's name.
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
