"""The `sluice` command: its parts, and how errors become one line and an exit code."""

from __future__ import annotations

import os
import re
import sys
import traceback
from pathlib import Path

import typer

# What is registered first for the end is done last.
import deployments.control_plane.fast_exit
import deployments.control_plane.garbage  # noqa: F401 - before what is imported next
from deployments.cli import approver, deliveries, doctor, facts, files, ledger, plan, protect, rollback, up
from deployments.cli.options import read_settings
from deployments.cli.output import warn
from deployments.control_plane.fast_exit import end_with
from tasks.kernel.errors import SluiceError

FAILED = 1
INTERRUPTED = 130

app = typer.Typer(
    name="sluice",
    help="Carries releases of Docker Compose applications through their environments.",
    epilog="Exit codes: 0 done, 1 failed (one line on standard error says why), 2 wrong usage. "
    "SLUICE_DEBUG=1 shows the traceback. docs/commands.md describes every command.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _command in (
    *(up.up, up.down, facts.status, facts.history, plan.plan, rollback.rollback, protect.protect),
    *(doctor.doctor, facts.unhold, deliveries.deliveries, files.validate, files.schema),
):
    app.command()(_command)
app.add_typer(approver.app, name="approver")
app.add_typer(ledger.app, name="ledger")


def run(arguments: list[str]) -> int:
    """Run one command; return its exit code."""
    try:
        app(args=arguments, prog_name="sluice")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BrokenPipeError:
        # Whoever reads has seen enough; Python must not complain about it at its own end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a person gets one line, whatever it is
        return _told(error)
    return 0


def _told(error: Exception) -> int:
    if os.environ.get("SLUICE_DEBUG"):
        traceback.print_exception(error)
    for line in _lines(error):
        warn(line)
    return FAILED


def _lines(error: Exception) -> list[str]:
    from blocks.pipeline.problems import PipelineError

    if isinstance(error, PipelineError):
        return str(error).splitlines()
    if isinstance(error, SluiceError):
        detail = (f"  {line}" for line in error.detail.splitlines())
        return [f"sluice: {' '.join(str(error).split())}", *detail]
    text = " ".join(str(error).split())[:500]
    if "401 Unauthorized" in text:
        return [f"sluice: {_unauthorized(text)}"]
    if "Failed to reach API" in text:
        return [f"sluice: Prefect's server does not answer: {text} — start it with `sluice up`"]
    return [f"sluice: {type(error).__name__}: {text} — SLUICE_DEBUG=1 shows where"]


def _unauthorized(text: str) -> SluiceError:
    """Return what Prefect's own client means where it is asked for a login."""
    from deployments.control_plane.login import CLIENT, refused

    url = re.search(r"https?://[^\s']+?/api", text)
    return refused(url[0] if url else "", given=CLIENT in os.environ, home=read_settings().home)


def _leave_folder() -> None:
    """Leave the working folder: from its `.env` and `prefect.toml` Prefect takes settings, and so programs."""
    if home := os.environ.get("SLUICE_HOME"):
        os.environ["SLUICE_HOME"] = str(Path(home).absolute())
    os.chdir("/")


def main() -> None:
    """Run `sluice` and exit."""
    # It reads a file of the working folder, and imports no Prefect.
    if sys.argv[1:2] != ["validate"]:
        _leave_folder()
    code = run(sys.argv[1:])
    end_with(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
