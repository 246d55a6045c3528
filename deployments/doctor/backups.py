"""Checks of the dumps: that there is a good one, that the next one fits, that copies can be written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from blocks.compose_host import ComposeHost
from deployments.control_plane.connect import open_ledger
from deployments.doctor.findings import Check, Finding, ok, warn
from flows.domain.words.durations import human_duration
from tasks.adapters.pool import host_for
from tasks.database.offsite import HostPlace, file_name, open_place, place_names, stored_dumps
from tasks.database.retain import history_of
from tasks.host.read import app_directory
from tasks.host.retention import History, known_dumps
from tasks.kernel.blocks import read_block
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import SluiceError
from tasks.kernel.text import human_bytes
from tasks.steps.secrets import read_secret
from tasks.targets.compose.facts import read_readiness

if TYPE_CHECKING:
    from blocks.pipeline import Policy
    from blocks.settings import Settings
    from blocks.values.receipts import BackupReceipt
    from deployments.doctor.application import ApplicationFacts
    from tasks.database.offsite import DumpStore
    from tasks.host.retention import Dump, StoredDump
    from tasks.kernel.protocols import Host


def backup_checks(settings: Settings, application: ApplicationFacts) -> list[Check]:
    """Return the checks of every environment's dumps and of the places that get copies of them."""
    checks: list[Check] = []
    for policy in application.policies:
        if policy.backup is not None:
            checks.append(Check(f"backups {policy.name}", partial(_dumps, settings, policy)))
            checks += [
                Check(f"copies {policy.name}", partial(_copies, settings, policy, name))
                for name in place_names(policy)
            ]
    return checks


def _dumps(settings: Settings, policy: Policy) -> Iterator[Finding]:
    where, name = f"backups {policy.name}", policy.hosts[0]
    # A host that cannot be reached, or whose block is amiss, is told of by its own check.
    with suppress(SluiceError, ValueError):
        block = read_block(ComposeHost, name)
        host = host_for(block, name)
        directory = app_directory(host, block.directory, policy.pipeline)
        stored = stored_dumps(host, f"{directory}/backups")
        history = _history(settings, policy)
        yield _newest(where, name, stored, history, policy)
        yield from _room(where, host, directory, history)


def _history(settings: Settings, policy: Policy) -> History:
    with open_ledger(settings) as ledger:
        return history_of(ledger, policy.pipeline, policy.name)


def _newest(
    where: str, name: str, stored: tuple[StoredDump, ...], history: History, policy: Policy
) -> Finding:
    built_in = policy.backup is not None and policy.backup.built_in
    dumps = known_dumps(stored, history, environment=policy.name, built_in=built_in)
    good = [dump for dump in dumps if dump.good]
    if not good and not (dumps or history.recorded):
        return ok(where, f"{name} has no dump yet; the next promotion that changes something takes one")
    if not good:
        said = f"{name} has {len(dumps)} dumps, and none is known to be good"
        return warn(where, said, f"check {policy.pipeline}/backups there; a promotion takes a new one")
    size = next(one.bytes for one in stored if one.name == good[0].name)
    return ok(
        where,
        f"{len(good)} good dumps on {name}, the newest {_age(good[0])} old ({human_bytes(size)}); {_proof(good)}",
    )


def _age(dump: Dump) -> str:
    return human_duration(max(0.0, (utc_now() - dump.taken_at).total_seconds()))


def _proof(good: list[Dump]) -> str:
    drilled = next((dump for dump in good if dump.drilled), None)
    return f"the newest proven by a drill {_age(drilled)} old" if drilled else "none proven by a drill"


def _room(where: str, host: Host, directory: str, history: History) -> Iterator[Finding]:
    newest = _last(history)
    if newest is None:
        return
    free = read_readiness(host, directory).free_bytes
    if free < 2 * newest.bytes:
        said = f"{human_bytes(free)} free on {host.name}, and the last dump has {human_bytes(newest.bytes)}"
        yield warn(where, said, "free some space, or lower backup.keep or backup.keep_days")


def _last(history: History) -> BackupReceipt | None:
    return history.recorded[0].receipt if history.recorded else None


def _copies(settings: Settings, policy: Policy, name: str) -> Iterator[Finding]:
    where = f"copies {policy.name}"
    try:
        place = open_place(policy, name, read_secret)
        place.probe()
        whole = {one.name for one in place.list() if one.receipt}
    except SluiceError as error:
        # A warning: promotions go on without copies.
        yield warn(where, error.what, error.todo)
        return
    yield ok(where, f"{place.name} can be written to; {len(whole)} copies are there")
    yield from _missing(where, place, whole, _history(settings, policy))


def _missing(where: str, place: DumpStore, whole: set[str], history: History) -> Iterator[Finding]:
    newest = _last(history)
    if newest is None:
        return
    if file_name(newest) not in whole:
        said = f"{place.name} has no copy of the newest dump, {file_name(newest)}"
        yield warn(
            where, said, "check the step `copy backup` of its promotion; the next one copies its own dump"
        )
    if isinstance(place, HostPlace):
        yield from _room(where, place.host, place.directory, history)
