"""What a promotion begins before its plan is known where nobody is asked, beside what the plan waits for."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from prefect.futures import wait

from blocks.values.lifecycle import Status
from flows.core.attempt import foreseen, revive
from flows.domain.promotion.recovery import failure_note
from flows.domain.words.names import one_off_name
from flows.gates.entry import UndecidedError
from flows.promotion.bundle import make_bundle
from flows.promotion.change import Change, change_of, dump_name, manifests_of
from flows.promotion.confined_service import confined_on_host
from flows.promotion.fallback import PromotionFallback, stopped_meanwhile
from flows.promotion.plan import migrates_or_backs_up, reading_hosts
from flows.promotion.preflights import begin_preflights, raise_first
from tasks.database.backup import remove_dump
from tasks.database.engine.protocols import ColumnFacts
from tasks.database.render import tell_migrations
from tasks.database.schema import read_columns
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import FencedError, RefusedError, SluiceError, TerminalError
from tasks.services.preflight import check_compose
from tasks.services.prepare import dump_early, prepare
from tasks.steps.run import Run
from tasks.steps.step import log

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prefect.futures import PrefectFuture

    from blocks.values.evidence import Rendered
    from blocks.values.facts import HostFacts
    from blocks.values.manifests import Manifest
    from blocks.values.plans import Plan
    from blocks.values.receipts import BackupReceipt, StepReceipt
    from blocks.values.releases import Release, Revision
    from flows.promotion.bundle import Bundle
    from flows.promotion.prepare import Prepared
    from tasks.database.render import ToldMigrations

T = TypeVar("T")

# What is written into the database after the dump would be lost with it, and a disk fills up: older is done anew.
_FRESH = timedelta(seconds=60)


@dataclass
class EarlyStart:
    """What was begun on the first host before the plan; where people are asked, nothing until the plan needs it.

    Attributes:
        hosts: The hosts' facts; where the lease is held, from before it until they are read again under it.
        holds_lease: True where the lease is kept until the change is made.
    """

    prepared: Prepared
    hosts: Mapping[str, HostFacts]
    holds_lease: bool
    _manifest: Manifest | None = None
    _dumping: PrefectFuture[BackupReceipt] | None = None
    _preparing: PrefectFuture[StepReceipt] | None = None
    _checking: PrefectFuture[StepReceipt] | None = None
    _listing: PrefectFuture[ToldMigrations | None] | None = None
    _listed_from: str | None = None
    _columns: ColumnFacts = field(default_factory=ColumnFacts)
    _pulled: StepReceipt | None = None
    _dump: BackupReceipt | None = None

    @property
    def run(self) -> Run:
        """The promotion."""
        return self.prepared.run

    @property
    def release(self) -> Release:
        """The release, maybe without its migrations yet."""
        return self.prepared.release

    @cached_property
    def bundle(self) -> Bundle:
        """What the hosts get of the release."""
        return make_bundle(self.run, self.release, self.prepared.sources)

    def brought(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """Return the checksums of what the release brings, and the paths its services may write to."""
        return self.bundle.brought(), self.bundle.written

    def begin(self) -> None:
        """Begin all that nobody has to be asked for; the hosts are read once more meanwhile."""
        prepared, run = self.prepared, self.run
        if not prepared.checking or utc_now() - prepared.checked_at > _FRESH:
            backup = migrates_or_backs_up(run, prepared.hosts[run.primary])
            raise_first(begin_preflights(run, prepared.hosts, run.hosts, ports=prepared.ports, backup=backup))
        prepared.pending.let_pushes_go_first()
        with reading_hosts(run) as facts:
            self._begin_dump()
            self._begin_images()
            before, self.hosts = self.hosts[run.primary], facts()
            if self.hosts[run.primary].env_file != before.env_file:
                # What was begun with another env file is done anew.
                wait([_begun(self._preparing)])
                self._begin_images()
            if prepared.lists_on_host:
                self._begin_listing()

    def _begin_dump(self) -> None:
        """Begin to dump where the change needs that; a database that does not run is judged with the plan."""
        run, facts, backup = self.run, self.hosts[self.run.primary], self.run.policy.backup
        if backup is None or not migrates_or_backs_up(run, facts):
            return
        if facts.database_running or not backup.built_in:
            self._dumping = dump_early.submit(run, host=run.primary, name=dump_name(run, self.release.id))

    def _begin_images(self) -> None:
        run, bundle = self.run, self.bundle
        self._manifest = manifest = manifests_of(run, self.release, bundle, self.hosts)[run.primary]
        self._preparing = prepare.submit(
            run, host=run.primary, manifest=manifest, files=bundle.files_for(manifest.env_file)
        )

    def _begin_listing(self) -> None:
        """Begin to have the new image list and print its migrations, as soon as it is on the first host."""
        run, revision = self.run, self.hosts[self.run.primary].revision
        service = confined_on_host(run, self.release, self.prepared.sources, self.bundle)
        if revision is None or service is None:
            return
        self._listed_from = revision
        self._listing = tell_migrations.submit(
            run,
            host=run.primary,
            service=service,
            start=revision,
            container=one_off_name(run.pipeline, "render", str(run.promotion_id)),
            wait_for=[_begun(self._preparing)],
            return_state=False,
        )

    def finish_release(self) -> Prepared:
        """Return what is known once the release's migrations are, with the hosts as they were read last."""
        return replace(self.prepared.finish(self._revisions), hosts=self.hosts)

    def _revisions(self) -> tuple[Revision, ...] | None:
        """Wait for the migrations the new image lists; None where it was not asked, or did not say."""
        if self._listing is None:
            return None
        self.wait_for_images()
        # What the database is asked meanwhile costs no time.
        self._columns = read_columns(self.run)
        listed = self._listing.result()
        return listed.revisions if listed else None

    def rendered(self, start: str | None) -> tuple[Rendered, ColumnFacts] | None:
        """Return the SQL of the migrations that follow a revision, and the database's sizes and types.

        Returns:
            Both; None where they have to be asked for.
        """
        listed = self._listing.result() if self._listing is not None and start == self._listed_from else None
        return (listed.rendered, self._columns) if listed else None

    def wait_for_images(self) -> None:
        """Wait until bundle and images are on the first host; with the lease, have compose read the bundle then."""
        if self._preparing is None:
            self._begin_images()
        _begun(self._preparing).result()
        if self._checking is None and self.holds_lease:
            self._checking = check_compose.submit(
                self.run, host=self.run.primary, manifest=_begun(self._manifest), kept=False
            )

    def wait(self) -> None:
        """Wait for all that the change need not do again; for nothing where the lease was not kept."""
        if not self.holds_lease:
            return
        self.wait_for_images()
        raise_first([self._checking] if self._checking is not None else [])
        self._pulled, self._dump = _begun(self._preparing).result(), self._fresh_dump()

    def _fresh_dump(self) -> BackupReceipt | None:
        """Wait for the dump; one that failed or is too old the change takes itself."""
        if self._dumping is None:
            return None
        try:
            receipt = self._dumping.result()
        except SluiceError as error:
            log().warning("the early dump failed, the change will take its own: %s", error)
            return None
        if utc_now() - receipt.taken_at > _FRESH:
            self.forget_dump()
            return None
        return receipt

    def change(self, prepared: Prepared, plan: Plan) -> Change:
        """Return what is to be changed by a plan, without what was done by `wait`."""
        change = change_of(prepared, plan, self.bundle)
        return replace(change, pulled=self._pulled, dump=self._dump)

    def forget_dump(self) -> None:
        """Remove the dump: the change it was taken for is not made, or takes a younger one."""
        if self._dumping is None:
            return
        name, self._dumping = dump_name(self.run, self.release.id), None
        try:
            remove_dump(self.run, self.run.primary, name)
        except SluiceError as error:
            log().warning("the dump %s on %s is left over: %s", name, self.run.primary, error)

    def settle(self) -> None:
        """Wait for all that was begun: nothing outlives its flow."""
        begun: tuple[PrefectFuture[Any] | None, ...] = (
            self._preparing,
            self._dumping,
            self._checking,
            self._listing,
        )
        wait([one for one in begun if one is not None])


@contextmanager
def started_early(prepared: Prepared) -> Iterator[EarlyStart]:
    """Where nobody is asked: dump the database, read the hosts again, and bring the release to the first host.

    Nothing that runs is touched. Leaving with an error takes the dump away again, and starts what an engine that died
    meanwhile took with it. Where people are asked nothing is begun.

    Args:
        prepared: What is known; where nobody is asked the hosts were checked, and the lease is held.
    """
    early = EarlyStart(prepared, prepared.hosts, holds_lease=not prepared.asks)
    try:
        if early.holds_lease:
            early.begin()
        yield early
    except BaseException as error:
        early.settle()
        early.forget_dump()
        # Who waits for a check goes on; who lost the lease, or is cut off, touches nothing more.
        if not early.holds_lease or isinstance(error, UndecidedError | FencedError):
            raise
        if not isinstance(error, Exception):
            raise
        # A gate that says no has stopped nothing; an engine that died may be why it does.
        if isinstance(error, RefusedError) and not stopped_meanwhile(early.run, prepared.hosts):
            raise
        raise _still_running(prepared, foreseen(error)) from error
    early.settle()


def _still_running(prepared: Prepared, error: SluiceError) -> TerminalError:
    """Start again what an engine that died meanwhile took with it; return the error with what runs now."""
    log().error("%s", error)
    fallback = PromotionFallback(prepared.run, prepared.hosts, {})
    note = revive(fallback) or failure_note(Status.FAILED, fallback.environment, fallback.release_id)
    kind = RefusedError if isinstance(error, RefusedError) else TerminalError
    return kind(f"{error.what} ({note})", error.todo, error.detail)


def _begun(value: T | None) -> T:
    if value is None:
        raise RuntimeError("the images were requested before they were started")
    return value
