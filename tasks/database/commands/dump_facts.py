"""PURE: what is read of a database just before it is dumped, and reading the answer."""

from __future__ import annotations

import json

from tasks.kernel.lines import lines

Counters = dict[str, tuple[int, int, int]]

# The revision, and per table how many rows its statistics count as inserted, updated and deleted, as JSON on one line:
# a name may hold any character. One round trip, and one moment for both.
DUMP_FACTS = r"""
select to_regclass('alembic_version') is not null as versioned \gset
\if :versioned
select 'revision', version_num from alembic_version;
\endif
select 'counters', coalesce(json_object_agg(format('%I.%I', schemaname, relname),
  json_build_array(n_tup_ins, n_tup_upd, n_tup_del)), '{}')
from pg_stat_user_tables;
"""


def parse_dump_facts(text: str) -> tuple[str | None, Counters]:
    """Read what `DUMP_FACTS` printed.

    Args:
        text: Standard output of psql, fields separated by tabs.

    Returns:
        The schema revision (several heads joined by a comma, sorted), and table → rows inserted, updated, deleted.
    """
    pairs = [line.partition("\t")[::2] for line in lines(text)]
    revisions = sorted(value for key, value in pairs if key == "revision")
    counters: dict[str, list[int]] = json.loads(dict(pairs).get("counters", "{}"))
    return ",".join(revisions) or None, {
        table: (rows[0], rows[1], rows[2]) for table, rows in counters.items()
    }
