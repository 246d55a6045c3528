"""The live side of one promotion: the clients and records its steps work with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from blocks.values.base import Value
from tasks.kernel.clock import utc_now
from tasks.kernel.protocols import Fence
from tasks.kernel.redact import process_redactor
from tasks.steps.secrets import read_secret
from tasks.steps.site import Site

if TYPE_CHECKING:
    from blocks.pipeline import ReleaseDescription
    from blocks.values.watch import RawLogs
    from tasks.git.mirror import GitMirror
    from tasks.kernel.protocols import Engine, Registry
    from tasks.ledger.store import Ledger
    from tasks.steps.lease_keeper import LeaseKeeper
    from tasks.steps.publication import Showing

V = TypeVar("V", bound=Value)


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

    def repeated(self, name: str, host: str) -> bool:
        """Say whether a step that was started had been tried before."""
        row = self.ledger.steps.get(self.promotion_id, name, host)
        return row is not None and row.attempts > 1

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


@dataclass(kw_only=True)
class Run(Site):
    """Everything one promotion's steps need. It is never stored; a resumed run makes a new one.

    Attributes:
        ledger: The ledger.
        promotion_id: The promotion's row.
        description: What describes the release, from its commit.
        mirror: The application's repository.
        registry: The container registry.
        registry_prefix: Address and namespace images are pushed under.
        engine: The engine that builds.
        work: The folder of checkouts on the control machine.
        keeper: Holds the lease, once taken.
        showing: What showing the promotion on GitHub needs; None where nothing is shown.
        raw_logs: What was logged before the switch, by host, until it is summed up: that takes time, and the lease is
            not kept for it.
    """

    ledger: Ledger
    promotion_id: int
    description: ReleaseDescription
    mirror: GitMirror
    registry: Registry
    registry_prefix: str
    engine: Engine
    work: Path
    keeper: LeaseKeeper | None = None
    showing: Showing | None = None
    raw_logs: dict[str, RawLogs] = field(default_factory=dict)
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        """Bind the journal to the promotion."""
        self.journal = Journal(self.ledger, self.promotion_id)

    def fence(self, host: str) -> Fence:
        """Return the proof of the lease for one host.

        Raises:
            FencedError: The lease was lost.
        """
        if self.keeper is None:
            raise RuntimeError("a change was requested before the lease was taken")
        return Fence(directory=self.directories[host], token=self.keeper.token())

    def secret(self, block: str) -> str:
        """Return the value of a Secret block; it is redacted from now on.

        Raises:
            TerminalError: There is no such block.
        """
        return read_secret(block)
