"""PURE: the SQL that watches a migration on a copy of the database, and reading what it prints."""

from __future__ import annotations

from blocks.values.evidence import LockFact
from tasks.host.scripts import script
from tasks.kernel.argv import Argv
from tasks.kernel.lines import lines

SAMPLE_SECONDS = 0.05

# PostgreSQL's table-level modes, strongest first. ACCESS SHARE, which every SELECT takes, says nothing.
_MODES = (
    "AccessExclusiveLock",
    "ExclusiveLock",
    "ShareRowExclusiveLock",
    "ShareLock",
    "ShareUpdateExclusiveLock",
    "RowExclusiveLock",
    "RowShareLock",
)

# Prints the locks on the application's tables again and again, in one session, until that is ended: seconds since
# 1970, transaction, mode, table. Background processes such as autovacuum are no part of the migration.
WATCH = r"""
set application_name = 'sluice-watcher';
select extract(epoch from clock_timestamp()), l.virtualtransaction, l.mode, format('%s.%s', n.nspname, c.relname)
from pg_locks l
join pg_stat_activity a on a.pid = l.pid and a.backend_type in ('client backend', 'parallel worker')
join pg_class c on c.oid = l.relation and c.relkind in ('r', 'p', 'm', 'f')
join pg_namespace n on n.oid = c.relnamespace
where l.locktype = 'relation' and l.granted and l.pid <> pg_backend_pid() and a.datname = current_database()
  and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') and n.nspname !~ '^pg_temp'
\watch 0.05
"""

# Runs a command that prints what `WATCH` does, and keeps of each lock when it was seen first and last: PROGRAM
# ARGUMENT…. An hour of samples would be too much to carry.
KEEP = r"""
"$@" 2>/dev/null | awk -F '\t' '
NF == 4 { lock = $2 "\t" $3 "\t" $4; if (!(lock in first)) first[lock] = $1; last[lock] = $1 }
END { for (lock in first) printf "%s\t%s\t%s\n", first[lock], last[lock], lock }'
"""

STOP_WATCH = (
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sluice-watcher';"
)

# Prints the state a migration starts from or leaves: `file TAB table oid TAB file number` for each table, then
# `revision TAB revision`.
STATE = r"""
select 'file', format('%s.%s', n.nspname, c.relname), c.oid, pg_relation_filenode(c.oid)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
  and n.nspname !~ '^pg_temp';
select to_regclass('alembic_version') is not null as versioned \gset
\if :versioned
select 'revision', version_num from alembic_version;
\endif
"""


def watch(query: Argv) -> Argv:
    """Return the command, on the host, that watches a copy until its session is ended.

    Args:
        query: The command that runs SQL from standard input in the copy; it is given `WATCH`.
    """
    return script(KEEP, "sluice-watch", *query)


def parse_locks(text: str) -> tuple[LockFact, ...]:
    """Read what `watch` printed.

    Args:
        text: Lines of first and last seconds, transaction, mode and table, separated by tabs; others are passed over.

    Returns:
        For each table the strongest lock and how long one transaction held it; strongest first.
    """
    strongest: dict[str, LockFact] = {}
    for line in lines(text):
        fields = line.split("\t")
        if len(fields) != len(("first", "last", "transaction", "mode", "table")) or fields[3] not in _MODES:
            continue
        seconds = round(float(fields[1]) - float(fields[0]) + SAMPLE_SECONDS, 3)
        fact = LockFact(table=fields[4], mode=fields[3], seconds=seconds)
        if fact.table not in strongest or _rank(fact) < _rank(strongest[fact.table]):
            strongest[fact.table] = fact
    return tuple(sorted(strongest.values(), key=lambda fact: (*_rank(fact), fact.table)))


def _rank(fact: LockFact) -> tuple[int, float]:
    return _MODES.index(fact.mode), -fact.seconds


def parse_revision(state: str) -> str | None:
    """Return the schema revision in what `STATE` printed (several heads joined by a comma), None without one."""
    rows = (line.split("\t") for line in lines(state))
    return ",".join(sorted(row[1] for row in rows if row[0] == "revision")) or None


def rewritten(before: str, after: str) -> tuple[str, ...]:
    """Return the tables that have another file than before, sorted.

    Args:
        before: What `STATE` printed before the migration.
    """
    files = _files(before)
    return tuple(
        sorted(name for oid, (name, file) in _files(after).items() if oid in files and files[oid][1] != file)
    )


def _files(state: str) -> dict[str, tuple[str, str]]:
    """Return for each table's oid its name and its file."""
    rows = (line.split("\t") for line in lines(state))
    return {row[2]: (row[1], row[3]) for row in rows if row[0] == "file"}
