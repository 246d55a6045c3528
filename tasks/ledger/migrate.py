"""Runs the migrations of the ledger itself, by Alembic from within the program.

There are no downgrades: a ledger is carried forward only, because going back would drop history.
A new table is a record and its place in `tasks.ledger.models`; its migration is drafted from the difference to them,
on a database that is at the newest one:

```python
with database.writing() as connection:
    command.revision(config(connection), "what changes", rev_id="0002", autogenerate=True)
```

and `tasks.ledger.models.HEAD` then names it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

if TYPE_CHECKING:
    from sqlalchemy import Connection

FOLDER = Path(__file__).with_name("migrations")


def config(connection: Connection | None = None, folder: Path = FOLDER) -> Config:
    """Return Alembic's configuration.

    Args:
        connection: The connection `env.py` works on, in a transaction its caller ends.
    """
    made = Config()
    made.set_main_option("script_location", str(folder).replace("%", "%%"))
    made.attributes["connection"] = connection
    return made


def known() -> frozenset[str]:
    """Return the identifiers of all migrations this version has."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(config()).walk_revisions())


def upgrade(connection: Connection) -> None:
    """Run the migrations the database lacks, within the connection's transaction."""
    command.upgrade(config(connection), "head")
