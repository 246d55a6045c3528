"""The smoke checks as steps: they decide whether a release works."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from blocks.values.receipts import SmokeReceipt
from tasks.services.checks import check_all
from tasks.steps.step import fact, step

if TYPE_CHECKING:
    from blocks.values.releases import Release
    from tasks.steps.run import Run


@step("smoke", SmokeReceipt)
def smoke(run: Run, *, host: str, release: Release, checkout: Path | None) -> SmokeReceipt:
    """Run the environment's smoke checks against what a host serves.

    Running it twice is safe as far as the checks themselves only look.

    Args:
        checkout: Where the release's commit is checked out on the control machine, for commands.

    Raises:
        TerminalError: A check stayed red for as long as it may be tried.
    """
    return check_all(run, host=host, release=release, checkout=checkout)


@fact("smoke")
def verify(run: Run, *, host: str, release: Release, checkout: Path | None) -> SmokeReceipt:
    """Run the smoke checks without a journal row: nothing was changed, so they are always run anew.

    Running it twice is safe as far as the checks themselves only look.

    Raises:
        TerminalError: A check stayed red.
    """
    return check_all(run, host=host, release=release, checkout=checkout)
