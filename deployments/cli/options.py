"""Options that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from blocks.settings import Settings

Environment = Annotated[str, typer.Argument(help="The environment.", metavar="ENV")]
OnlyEnvironment = Annotated[str | None, typer.Argument(help="Only this environment.", metavar="[ENV]")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
OnlyPipeline = Annotated[
    str | None, typer.Option("--pipeline", metavar="NAME", help="Only this pipeline; all of them without it.")
]
Source = Annotated[
    str,
    typer.Option(
        "--source",
        metavar="NAME",
        help="The git-repository block of the application. [default: SLUICE_SOURCE]",
    ),
]


def read_settings() -> Settings:
    """Return Sluice's settings. They are imported only here: `--help` needs none."""
    from blocks.settings import Settings

    return Settings()
