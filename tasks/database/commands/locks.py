"""PURE: what was seen of a migration on a copy of the database: the locks it held, the tables it wrote anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.evidence import LockFact
from tasks.host.scripts import script
from tasks.kernel.lines import lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tasks.kernel.argv import Argv

SAMPLE_SECONDS = 0.05

# Runs a command that prints what an engine's `WATCH` does, and keeps of each lock when it was seen first and last:
# PROGRAM ARGUMENT…. An hour of samples would be too much to carry.
KEEP = r"""
"$@" 2>/dev/null | awk -F '\t' '
NF == 4 { lock = $2 "\t" $3 "\t" $4; if (!(lock in first)) first[lock] = $1; last[lock] = $1 }
END { for (lock in first) printf "%s\t%s\t%s\n", first[lock], last[lock], lock }'
"""


def watch(query: Argv) -> Argv:
    """Return the command, on the host, that watches a copy until its session is ended.

    Args:
        query: The command that runs SQL from standard input in the copy; it is given an engine's `WATCH`.
    """
    return script(KEEP, "sluice-watch", *query)


def parse_locks(text: str, modes: Sequence[str]) -> tuple[LockFact, ...]:
    """Read what `watch` printed.

    Args:
        text: Lines of first and last seconds, transaction, mode and table, separated by tabs; others are passed over.
        modes: Those that say something, strongest first.

    Returns:
        For each table the strongest lock and how long one transaction held it; strongest first.
    """

    def rank(fact: LockFact) -> tuple[int, float]:
        return modes.index(fact.mode), -fact.seconds

    strongest: dict[str, LockFact] = {}
    for line in lines(text):
        fields = line.split("\t")
        if len(fields) != len(("first", "last", "transaction", "mode", "table")) or fields[3] not in modes:
            continue
        seconds = round(float(fields[1]) - float(fields[0]) + SAMPLE_SECONDS, 3)
        fact = LockFact(table=fields[4], mode=fields[3], seconds=seconds)
        if fact.table not in strongest or rank(fact) < rank(strongest[fact.table]):
            strongest[fact.table] = fact
    return tuple(sorted(strongest.values(), key=lambda fact: (*rank(fact), fact.table)))


def rewritten(before: Mapping[str, tuple[str, str]], after: Mapping[str, tuple[str, str]]) -> tuple[str, ...]:
    """Return the tables that have another file than before, sorted; each file by what is its table's own."""
    return tuple(
        sorted(name for own, (name, file) in after.items() if own in before and before[own][1] != file)
    )
