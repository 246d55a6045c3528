"""PostgreSQL, by the tools of its own image. Pure."""

from tasks.database.engine.protocols import DatabaseEngine
from tasks.database.postgresql import beside, comparison, copies, dumps, judge, locks

POSTGRESQL = DatabaseEngine(
    name="PostgreSQL",
    dumps=dumps,
    copies=copies,
    beside=beside,
    comparison=comparison,
    locks=locks,
    judge=judge,
)
