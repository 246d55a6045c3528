"""What bounds a migration's waiting in PostgreSQL, and the SQL that watches one on a copy of the database."""

# ruff: noqa: S608 - constant text

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.database.engine.protocols import Question, TableFiles
from tasks.database.postgresql.questions import REVISION, read_revision

if TYPE_CHECKING:
    from blocks.pipeline.sections import DatabaseRules
    from tasks.database.commands.shapes import Rows

# PostgreSQL's table-level modes, strongest first. ACCESS SHARE, which every SELECT takes, says nothing.
MODES: tuple[str, ...] = (
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

STOP_WATCH = (
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sluice-watcher';"
)

_TABLE_FILES = (
    r"""
select 'file', format('%s.%s', n.nspname, c.relname), c.oid, pg_relation_filenode(c.oid)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
  and n.nspname !~ '^pg_temp';
"""
    + REVISION
)


def _read_table_files(rows: Rows) -> TableFiles:
    return TableFiles(read_revision(rows), {row[2]: (row[1], row[3]) for row in rows if row[0] == "file"})


TABLE_FILES = Question(_TABLE_FILES, _read_table_files)


def limits(rules: DatabaseRules) -> dict[str, str]:
    """Return the variables that bound a migration's waiting, for whatever connects by libpq: in milliseconds."""
    lock, statement = (round(seconds * 1000) for seconds in (rules.lock_timeout, rules.statement_timeout))
    return {"PGOPTIONS": f"-c lock_timeout={lock} -c statement_timeout={statement}"}
