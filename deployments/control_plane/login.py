"""The login of Prefect's server: made by `sluice up`, kept where its user alone can read it, known to every part.

It travels in environments and on standard input only: what stands on a command line can be read by every user of the
machine.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tasks.kernel.errors import TerminalError
from tasks.kernel.redact import install_log_redaction, process_redactor

# What the server asks for, and what its clients answer with.
SERVER = "PREFECT_SERVER_API_AUTH_STRING"
CLIENT = "PREFECT_API_AUTH_STRING"

_USER = "admin"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
# Prefect compares texts of ASCII alone, and cuts what it is sent at a space.
_USABLE = re.compile(r"[!-9;-~]+:[!-~]+")


@dataclass(frozen=True)
class ServerLogin:
    """The `user:password` the server asks for, empty where it asks for none, and where a person finds it."""

    text: str = field(repr=False)
    place: str

    @property
    def variables(self) -> dict[str, str]:
        """What server, worker, receiver and runs are started with."""
        return {SERVER: self.text, CLIENT: self.text} if self.text else {}


def login_file(home: Path) -> Path:
    """Return the file in which the login of a home folder is kept."""
    return home / "api-login"


def ensure_login(home: Path, inherited: Mapping[str, str], profile: str | None = None) -> ServerLogin:
    """Return the login the server is to ask for: the caller's, else its Prefect profile's, else one made here once.

    Raises:
        TerminalError: The environment has two logins, or one that cannot be used is kept.
    """
    asked, answered = inherited.get(SERVER), inherited.get(CLIENT)
    if asked and answered and asked != answered:
        raise TerminalError(
            f"{SERVER} and {CLIENT} are different: nothing could log in", "set both to the same, or neither"
        )
    if given := asked or answered:
        return _usable(ServerLogin(given, f"{SERVER if asked else CLIENT} in your environment"))
    if profile:
        return _usable(ServerLogin(profile, f"{CLIENT} in your Prefect profile"))
    path = login_file(home)
    if not path.exists():
        _make(path)
    return _usable(ServerLogin(_read(path), str(path)))


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError as error:
        raise TerminalError(
            f"{path}, the login of Prefect's API, cannot be read: {error.strerror}",
            "make it readable for this user, or remove it: `sluice up` then makes one",
        ) from error


def _usable(login: ServerLogin) -> ServerLogin:
    if not _USABLE.fullmatch(login.text):
        raise TerminalError(
            f"{login.place} is not a login: it has to be `user:password`, in ASCII, without spaces",
            "correct it, or remove it: `sluice up` then makes one",
        )
    return login


def _make(path: Path) -> None:
    """Write a new login, whole and for this user's eyes from its first moment; one made meanwhile stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{_USER}:{secrets.token_urlsafe(32)}\n")
    try:
        with suppress(FileExistsError):
            path.hardlink_to(part)
    finally:
        part.unlink()


def keep_out_of_logs(login: str) -> None:
    """Keep a login out of what this process and its copies log, whatever their level is."""
    process_redactor().add(login)
    install_log_redaction(process_redactor())
    # It logs what it sends cut in the middle, where no redaction knows it.
    logging.getLogger("websockets").setLevel(logging.INFO)


def open_to_others(path: Path) -> bool:
    """Say whether anybody but its owner may do anything with a file; one that is not there is open to nobody."""
    try:
        return bool(path.stat().st_mode & _OTHERS)
    except OSError:
        return False


def refused(url: str, *, given: bool, home: Path) -> TerminalError:
    """Return the error of a server that asks for a login."""
    what = f"Prefect's server at {url} " + ("refuses the login" if given else "asks for a login")
    return TerminalError(
        what, f"set {CLIENT} to the server's; what `sluice up` made is in {login_file(home)}"
    )
