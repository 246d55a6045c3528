"""Where Sluice keeps its own things on the control machine."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Settings read from the environment, each with the prefix `SLUICE_`.

    Attributes:
        home: The folder of mirrors, work folders and the default ledger.
        ledger_url: The ledger's SQLAlchemy address; empty means the block `ledger-database/ledger`
            where it exists, and SQLite in the home folder otherwise.
        source: The `git-repository` block used when a command or a run names none.
        prefect_ui_url: Where people open Prefect's UI; links in messages start with it.
        api_hosts: Further host names by which Prefect's server may be called, separated by commas.
        further_flows: Flows of the user's own that the worker runs too, as `module.function`, separated by commas.
        webhook_host: The address the receiver of GitHub's webhooks listens on.
        webhook_port: Its port.
    """

    model_config = SettingsConfigDict(env_prefix="SLUICE_", extra="ignore")

    home: Path = Field(default_factory=lambda: Path.home() / ".sluice")
    ledger_url: str = ""
    source: str = "default"
    prefect_ui_url: str = "http://127.0.0.1:4200"
    api_hosts: str = ""
    further_flows: str = ""
    webhook_host: str = "127.0.0.1"
    webhook_port: int = Field(4210, ge=1, le=65535)

    @property
    def sqlite_url(self) -> str:
        """The address of the ledger in the home folder."""
        return f"sqlite:///{self.home / 'ledger.db'}"
