"""Commands about the people who may approve."""

from __future__ import annotations

import re
import sys
from typing import Annotated

import typer

from deployments.cli.options import AsJson, read_settings
from deployments.cli.output import answer, print_json, print_table, say, warn
from tasks.kernel.errors import TerminalError

app = typer.Typer(help="The people who may approve plans.", no_args_is_help=True, rich_markup_mode=None)

ISSUER = "Sluice"
BLOCK_TYPE = "approver"

# Prefect's own rule for block names.
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")

Name = Annotated[str, typer.Argument(help="The approver's name, as pipeline.yaml has it.", metavar="NAME")]


@app.command()
def add(
    name: Name,
    *,
    person: Annotated[str, typer.Option("--person", help="The full name. [default: NAME]")] = "",
    identity: Annotated[
        list[str] | None,
        typer.Option(
            "--identity",
            metavar="WHO",
            help="A git e-mail or GitHub login of this person, to recognise authors and requesters; repeatable.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the secret of a known approver.")] = False,
    as_json: AsJson = False,
) -> None:
    """Enrol an approver: make a one-time-code secret and show it, once, as a QR code for an authenticator."""
    if not _NAME.fullmatch(name):
        raise typer.BadParameter("use lower-case letters, digits and single dashes", param_hint="NAME")
    from deployments.control_plane.connect import use_prefect

    api = use_prefect(read_settings())
    known = api.block_document(BLOCK_TYPE, name)
    if known is not None and not force:
        raise TerminalError(
            f"there is an approver {name} already",
            "use --force to give them a new secret; the old one stops working",
        )
    before = (known or {}).get("data", {})
    identities = identity or before.get("identities") or [name]
    uri, secret = _enrol(name, person or before.get("person") or name, identities)
    if as_json:
        print_json({"name": name, "identities": identities, "uri": uri, "secret": secret})
        return
    _show(name, uri, secret)
    if identities == [name]:
        warn(
            f"note: {name} is recognised as an author only by the name {name!r} — "
            "add --identity with the git e-mail and GitHub login"
        )


def _enrol(name: str, person: str, identities: list[str]) -> tuple[str, str]:
    """Save the approver with a new secret; return the address for authenticators and the secret."""
    import pyotp

    from blocks.approver import Approver

    secret = pyotp.random_base32()
    block = Approver(person=person, totp_secret=secret, identities=identities)
    block.save(name, overwrite=True)
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER), secret


def _show(name: str, uri: str, secret: str) -> None:
    if sys.stdout.isatty():
        import segno

        segno.make(uri, error="l", micro=False).terminal(compact=True)
    say(f"{name} is enrolled. Scan this with an authenticator app; it is shown only once:")
    say(f"  {uri}")
    say(f"  secret {secret}")


@app.command("list")
def list_approvers(*, as_json: AsJson = False) -> None:
    """List the enrolled approvers."""
    from deployments.control_plane.connect import known_api

    found = [
        {
            "name": one["name"],
            "person": one["data"].get("person", ""),
            "identities": one["data"].get("identities", []),
            "active": one["data"].get("active", True),
        }
        for one in known_api(read_settings()).block_documents(BLOCK_TYPE)
    ]
    if as_json:
        print_json(found)
    elif not found:
        say("no approver is enrolled: `sluice approver add NAME`")
    else:
        rows = [
            (one["name"], one["person"], ", ".join(one["identities"]), "yes" if one["active"] else "no")
            for one in found
        ]
        print_table(("NAME", "PERSON", "IDENTITIES", "ACTIVE"), rows)


@app.command()
def remove(name: Name, *, as_json: AsJson = False) -> None:
    """Remove an approver. What they approved stays in the ledger."""
    from deployments.control_plane.connect import known_api

    if not known_api(read_settings()).delete_block(BLOCK_TYPE, name):
        raise TerminalError(f"there is no approver {name}", "see `sluice approver list`")
    answer(f"{name} is removed; their answers are refused from now on", {"removed": name}, as_json=as_json)
