"""What a promotion that nobody is asked about begins before its plan is known, beside what the plan waits for."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from prefect.futures import wait

from flows.changing.bundling import make_bundle, project_of
from flows.changing.change import manifests_of
from flows.changing.readiness import begin_preflights, raise_first
from flows.domain.naming import backup_name
from flows.planning.plan import migrates_or_backs_up, read_hosts
from tasks.backup import remove_dump
from tasks.errors import SluiceError
from tasks.preflight import check_compose
from tasks.prepare import dump_early, prepare
from tasks.run import Run, utc_now
from tasks.step import log

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prefect.futures import PrefectFuture

    from blocks.values.facts import HostFacts
    from blocks.values.manifests import Manifest
    from blocks.values.receipts import BackupReceipt, StepReceipt
    from blocks.values.releases import Release
    from flows.changing.bundling import Bundle
    from flows.planning.preparing import Prepared

# What is written into the database after the dump would be lost with it: one that is older is taken anew.
_FRESH = timedelta(seconds=60)


@dataclass
class Ahead:
    """What was begun, under a lease that is kept until the change is made.

    Attributes:
        run: The promotion.
        hosts: The hosts' facts, read under the lease.
        bundle: What the hosts get of the release.
        manifest: What the first host shall remember.
    """

    run: Run
    hosts: Mapping[str, HostFacts]
    bundle: Bundle
    manifest: Manifest
    _preparing: PrefectFuture[StepReceipt]
    _dump: str | None
    _dumping: PrefectFuture[BackupReceipt] | None
    _checking: PrefectFuture[StepReceipt] | None = None

    def wait_for_images(self) -> None:
        """Wait until the release's bundle and images are on the first host; begin to have compose read it.

        Raises:
            TerminalError: The bundle cannot be put in place, or an image cannot be pulled.
        """
        self._preparing.result()
        if self._checking is None:
            project = project_of(self.run, self.run.primary, self.manifest, current=False)
            self._checking = check_compose.submit(self.run, host=self.run.primary, project=project)

    def wait_for_checks(self) -> None:
        """Wait until the first host's compose has read the release's configuration.

        Raises:
            RefusedError: It refuses it.
        """
        self.wait_for_images()
        raise_first([self._checking] if self._checking is not None else [])

    def dump(self) -> str | None:
        """Wait for the dump; return its name if it may serve the change.

        None where none was begun, where it failed (the change's own step says why), and where it is too old.
        """
        if self._dumping is None or self._dump is None:
            return None
        try:
            receipt = self._dumping.result()
        except SluiceError as error:
            log().warning("the early dump failed, the change takes one of its own: %s", error)
            return None
        if utc_now() - receipt.taken_at <= _FRESH:
            return self._dump
        self.forget_dump()
        return None

    def forget_dump(self) -> None:
        """Remove the dump: the change it was taken for is not made, or takes a younger one."""
        name, self._dump = self._dump, None
        if name is None:
            return
        try:
            remove_dump(self.run, self.run.primary, name)
        except SluiceError as error:
            log().warning("the dump %s on %s is left over: %s", name, self.run.primary, error)

    def settle(self) -> None:
        """Wait for all that was begun: nothing outlives its flow."""
        begun: tuple[PrefectFuture[Any] | None, ...] = (self._preparing, self._dumping, self._checking)
        wait([one for one in begun if one is not None])


@contextmanager
def going_ahead(prepared: Prepared) -> Iterator[Ahead]:
    """Read and check the hosts, then bring the release to the first one, and dump its database beside that.

    Nothing that runs is touched. Leaving with an error takes the dump away again.

    Args:
        prepared: What is known; the lease is held.

    Yields:
        What was begun.

    Raises:
        RefusedError: A host is not as it must be.
        TransientError: A host does not answer.
    """
    run = prepared.run
    # Before its images are pushed: what is read here needs none of them.
    backup = migrates_or_backs_up(run, prepared.hosts[run.primary])
    checking = begin_preflights(run, prepared.hosts, run.hosts, ports=prepared.ports, backup=backup)
    try:
        hosts = read_hosts(run)
        release = prepared.coming.known
    finally:
        wait(checking)
    raise_first(checking)
    bundle = make_bundle(run, release, prepared.sources)
    manifest = manifests_of(run, release, bundle, hosts)[run.primary]
    name = _dump_name(run, release, hosts[run.primary])
    ahead = Ahead(
        run=run,
        hosts=hosts,
        bundle=bundle,
        manifest=manifest,
        _preparing=prepare.submit(
            run,
            host=run.primary,
            manifest=manifest,
            archive=bundle.archive,
            override=bundle.override,
            shared=bundle.shared(manifest.env_file),
            project=project_of(run, run.primary, manifest, current=False),
        ),
        _dump=name,
        _dumping=dump_early.submit(run, host=run.primary, name=name) if name else None,
    )
    try:
        yield ahead
    except BaseException:
        ahead.settle()
        ahead.forget_dump()
        raise
    ahead.settle()


def _dump_name(run: Run, release: Release, facts: HostFacts) -> str | None:
    """Return the name of the dump to begin with; None where the change takes its own, or none is taken.

    A rehearsal takes its time, and after it the dump would be an old one. A database that does not run is judged with
    the plan.
    """
    backup = run.policy.backup
    if backup is None or run.policy.database.rehearse or not migrates_or_backs_up(run, facts):
        return None
    if backup.built_in and not facts.database_running:
        return None
    # The present time, not the promotion's: a run that was cut must not find a dump from before that.
    return backup_name(run.environment, release.id, utc_now())
