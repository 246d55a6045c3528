"""Commands about the ledger's database."""

from __future__ import annotations

import typer

from deployments.cli.options import AsJson, read_settings
from deployments.cli.output import answer

app = typer.Typer(help="The ledger's database.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def upgrade(*, as_json: AsJson = False) -> None:
    """Make the ledger, or bring its tables to the version this Sluice knows; nothing to do is fine."""
    from sqlalchemy.engine import make_url

    from deployments.control_plane.connect import ledger_url
    from tasks.ledger.models import HEAD
    from tasks.ledger.store import Ledger

    url = ledger_url(read_settings())
    with Ledger.open(url) as ledger:
        environments = len(ledger.promotions.environments())
    where = make_url(url).render_as_string(hide_password=True)
    line = f"{where} is at version {HEAD}; it has {environments} environments"
    answer(line, {"url": where, "version": HEAD, "environments": environments}, as_json=as_json)


# A single command would otherwise take the place of its group.
@app.callback()
def _group() -> None:
    """The ledger's database."""
