"""Which ledger this machine works with."""

from __future__ import annotations

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from blocks.ledger_database import LedgerDatabase
from blocks.settings import Settings
from tasks.kernel.blocks import MissingBlockError, read_block
from tasks.kernel.redact import process_redactor
from tasks.ledger.store import Ledger

BLOCK = "ledger"


def open_ledger(settings: Settings | None = None) -> Ledger:
    """Open the ledger: of `SLUICE_LEDGER_URL`, else of the block `ledger-database/ledger`, else in the home."""
    settings = settings or Settings()
    url = settings.ledger_url or _block_url() or settings.sqlite_url
    _redact_password(url)
    return Ledger.open(url)


def _block_url() -> str:
    """Return the URL of the block, empty where there is no such block."""
    try:
        return read_block(LedgerDatabase, BLOCK).url.get_secret_value()
    except MissingBlockError:
        return ""


def _redact_password(url: str) -> None:
    try:
        password = make_url(url).password
    except (ArgumentError, ValueError):
        return
    if password:
        process_redactor().add(password)
