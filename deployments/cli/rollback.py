"""`sluice rollback`: back to the release before, when neither Prefect's server nor the ledger answers."""

from __future__ import annotations

import getpass
import socket
import sys
import threading
import time
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments.cli.options import AsJson, Environment, read_settings
from deployments.cli.output import print_json, say, warn
from tasks.kernel.errors import RefusedError, TerminalError

if TYPE_CHECKING:
    from blocks.values.manifests import Manifest
    from blocks.values.offline import OfflineRollback
    from flows.rollback.offline_hosts import PreparedRollback

_CHANGE = "flows.rollback.offline_execute"


def rollback(
    environment: Environment,
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="From the records on the hosts, without server and ledger.")
    ] = False,
    release: Annotated[
        str,
        typer.Option(
            "--release", help="A release id, or the first digits of its commit.", show_default=False
        ),
    ] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why; it is recorded.", show_default=False)] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    insist: Annotated[
        bool,
        typer.Option(
            "--insist",
            help="Take responsibility for migrations that were not judged, or for a release on hold.",
        ),
    ] = False,
    without: Annotated[
        list[str] | None, typer.Option("--without", metavar="HOST", help="A host that is gone.")
    ] = None,
    pipeline: Annotated[
        str | None,
        typer.Option("--pipeline", metavar="NAME", help="The pipeline, if several have this environment."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Go back to the last good release, code only, when neither Prefect's server nor the ledger answers."""
    if not offline:
        raise TerminalError(
            "with server and ledger a rollback is a run",
            f"`prefect deployment run rollback/{environment}`; where they are down: --offline",
        )
    began = time.monotonic()
    wanted = {"release": release, "reason": reason.strip(), "left_out": tuple(without or ())}
    prepared = _prepared(environment, pipeline, wanted, insist=insist)
    tell = warn if as_json else say
    for line in _preview(prepared):
        tell(line)
    _ask(yes=yes)
    from flows.rollback.offline_execute import go_back

    record = go_back(prepared, lambda line: tell(f"  {line}"))
    if as_json:
        print_json(record.model_dump(mode="json"))
    _end(record, time.monotonic() - began, quiet=as_json)


def _prepared(
    environment: str, pipeline: str | None, wanted: dict[str, Any], *, insist: bool
) -> PreparedRollback:
    from flows.rollback.offline_hosts import OfflineRequest, prepare_rollback
    from tasks.services.rescue import read_rescue

    # What the change needs is read from disk while the hosts answer.
    threading.Thread(target=import_module, args=(_CHANGE,)).start()
    rescue = read_rescue(read_settings().home, environment, pipeline)
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    return prepare_rollback(rescue, OfflineRequest(who=who, insist=insist, **wanted))


def _preview(prepared: PreparedRollback) -> list[str]:
    left = _named(prepared.plan.left) if prepared.plan.left else "nothing known"
    head = f"{prepared.site.environment} of {prepared.site.pipeline}: {left} → {_named(prepared.target)}"
    return [
        head,
        f"  {prepared.plan.reason}",
        *(f"  WARNING: {line}" for line in prepared.warnings),
    ]


def _named(manifest: Manifest) -> str:
    from flows.domain.words.text import one_line

    return f'{manifest.release.id} "{one_line(manifest.release.commit.subject, 60)}"'


def _ask(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise RefusedError("there is no terminal to ask on; nothing was touched", "add --yes")
    if not typer.confirm("go back?", err=True):
        raise RefusedError("nothing was touched")


def _end(record: OfflineRollback, seconds: float, *, quiet: bool) -> None:
    from blocks.values.lifecycle import Status

    if record.outcome is not Status.SUCCEEDED:
        raise TerminalError(
            f"rollback of {record.environment} {record.outcome}: {record.message}",
            f"the record is on the hosts, offline/{record.id}.json",
        )
    if not quiet:
        say(f"{record.message} ({seconds:.1f} s)")
