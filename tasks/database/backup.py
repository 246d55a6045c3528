"""The database dump: streamed to a file, checksummed from the stream, read back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from blocks.values.receipts import BackupReceipt
from tasks.database.commands.copied import parse_rows
from tasks.database.commands.copies import feed
from tasks.database.empty_dump import explain_empty, refuse_other
from tasks.database.engine.protocols import DumpFacts
from tasks.database.live import backup_of, call, database_engine, login_of, within
from tasks.database.offsite import stored_dumps
from tasks.database.retain import removable
from tasks.host.files import measure_dump, remove_dumps
from tasks.host.host_facts import NOT_RUNNING
from tasks.host.read import QUICK
from tasks.host.scripts import dump
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import TerminalError
from tasks.kernel.protocols import Call
from tasks.steps.run import Run
from tasks.steps.step import log, step

if TYPE_CHECKING:
    from tasks.kernel.protocols import Host


@step("backup", BackupReceipt)
def back_up(
    run: Run, *, host: str, name: str, known: BackupReceipt | None = None, empty_counts: bool = False
) -> BackupReceipt:
    """Dump the database before anything changes.

    Running it twice is safe: a dump appears under its name only when it is whole, and one that is there
    already with its checksum is not taken again.

    Args:
        name: The dump's file name; it names the promotion, so a second try finds the first one's file.
        known: What was found out a moment ago under this very lease; it is not found out again. None for nothing.
        empty_counts: True on the way back, which an emptied database must not stop: without a table the dump is taken
            all the same, and is not one to go back to.

    Raises:
        TerminalError: The database does not run, the dump failed, cannot be read back, or holds no table where the
            application may have some.
    """
    return known or take_dump(run, host=host, name=name, empty_counts=empty_counts)


def take_dump(
    run: Run, *, host: str, name: str, anew: bool = False, empty_counts: bool = False
) -> BackupReceipt:
    """Dump the database under the lease that is held; `back_up` is the same as a step of the journal.

    Args:
        anew: True to replace a dump that has the name already.
        empty_counts: As for `back_up`.

    Raises:
        TerminalError: The database does not run, the dump failed, cannot be read back, or holds no table where the
            application may have some.
    """
    began = time.monotonic()
    there = run.hosts[host]
    path = f"{run.directories[host]}/backups/{name}"
    kept = None if anew else _kept(run, there, path)
    if kept is not None:
        log().info("%s: the dump %s already exists", host, name)
        return kept
    # Before the dump begins: what is counted afterwards may be missing in it, and no row is missing uncounted.
    facts = _facts(run, there)
    checksum, size = _dump(run, there, path)
    entries, tables = _read_back(run, there, path)
    why_empty = "" if empty_counts else _judge_content(run, there, path, tables, facts.revision)
    receipt = BackupReceipt(
        host=host,
        path=path,
        bytes=size,
        sha256=checksum,
        entries=entries,
        revision=facts.revision,
        taken_at=utc_now(),
        seconds=time.monotonic() - began,
        counters=facts.counters,
        tables=tables,
        why_empty=why_empty,
    )
    there.write_file(f"{path}.json", receipt.to_json().encode(), mode=0o600, fence=run.fence(host))
    log().info("%s: dumped %s bytes to %s", host, size, name)
    return receipt


def _kept(run: Run, there: Host, path: str) -> BackupReceipt | None:
    """Return the receipt of a dump that is there already, if it still is what was dumped."""
    text = there.read_file(f"{path}.json")
    if text is None:
        return None
    receipt = BackupReceipt.from_json(text)
    if not receipt.counts:
        log().warning("%s: it is not known whether %s has a table; dumping again", there.name, path)
        return None
    measured = there.run(call(measure_dump(path), backup_of(run).timeout)).stdout.split()
    if measured == [receipt.sha256, str(receipt.bytes)]:
        return receipt
    log().warning("%s: %s was changed since it was dumped; dumping again", there.name, path)
    return None


def _facts(run: Run, there: Host) -> DumpFacts:
    """Read the schema revision and the statistics' counters; what the database does not say is left out."""
    backup, dumps = backup_of(run), database_engine(run).dumps
    if not backup.built_in:
        return DumpFacts()
    argv = within(run, dumps.query(login_of(backup)))
    result = there.run(Call(argv=argv, stdin=dumps.DUMP_FACTS.sql.encode(), limits=QUICK))
    if result.ok:
        return dumps.DUMP_FACTS.read(parse_rows(result.stdout))
    if result.exit_code != NOT_RUNNING:
        log().warning(
            "%s: the database does not answer questions about its schema: %s", there.name, result.tail(2)
        )
    return DumpFacts()


def _dump(run: Run, there: Host, path: str) -> tuple[str, int]:
    """Write the dump; return its checksum and size as counted in the stream."""
    backup = backup_of(run)
    inner = within(run, backup.command or database_engine(run).dumps.dump(login_of(backup)))
    change = run.change(there.name, dump(path, inner), seconds=backup.timeout)
    result = there.run(change, on_line=log().info)
    if result.exit_code == NOT_RUNNING:
        raise TerminalError(
            f"backup: no container of service {backup.service} runs on {there.name}",
            "start the database there (or correct backup.service in pipeline.yaml), then retry this run",
        )
    if not result.ok:
        raise TerminalError(
            f"backup: the dump on {there.name} failed with status {result.exit_code}: {result.tail(3)}",
            "nothing was changed; fix the cause and retry this run",
            result.tail(30),
        )
    checksum, size = result.stdout.split()[-2:]
    return checksum, int(size)


def _read_back(run: Run, there: Host, path: str) -> tuple[int, int] | tuple[None, None]:
    """Have the engine's own tool list the dump; return how many entries and tables that names."""
    backup, dumps = backup_of(run), database_engine(run).dumps
    if not backup.built_in:
        return None, None
    listing = there.run(call(feed(path, within(run, dumps.listing())), backup.timeout))
    if not listing.ok:
        raise TerminalError(
            f"backup: {path} on {there.name} cannot be read back: {listing.tail(3)}",
            "the dump is broken, so nothing was changed; check the database and the disk",
            listing.tail(30),
        )
    return dumps.read_listing(listing.stdout)


def _judge_content(run: Run, there: Host, path: str, tables: int | None, revision: str | None) -> str:
    """Say why a dump without a table is right; one that may be of the wrong database is none, and is removed.

    The revision of the application's migration tool, or who named the database, says that the tables are its own.
    """
    try:
        why = explain_empty(run, there) if tables == 0 else ""
        if tables and revision is None and backup_of(run).database is None:
            refuse_other(run, there)
    except TerminalError:
        folder, _, name = path.rpartition("/")
        there.run(run.change(there.name, remove_dumps(folder, (name,)), seconds=60))
        raise
    return why


def remove_dump(run: Run, host: str, name: str) -> None:
    """Remove a dump that was taken for a change which is not made.

    Args:
        run: The promotion, holding the lease.
        name: Its file name; none of that name is no error.
    """
    folder = f"{run.directories[host]}/backups"
    run.hosts[host].run(run.change(host, remove_dumps(folder, (name,)), seconds=60))


def prune_backups(run: Run, host: str) -> None:
    """Remove the dumps that the policy does not keep; the last good one always stays."""
    if run.policy.backup is not None:
        folder = f"{run.directories[host]}/backups"
        names = removable(run, stored_dumps(run.hosts[host], folder))
        # Also with nothing to remove: what killed runs left half-written goes.
        run.hosts[host].run(run.change(host, remove_dumps(folder, names), seconds=60))
        if names:
            log().info("%s: removed %s dumps, the oldest %s", host, len(names), names[0])
