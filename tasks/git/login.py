"""What a git command is given to log in with: never in its arguments, never in the stored repository."""

from __future__ import annotations

import base64
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from tasks.kernel.errors import TerminalError
from tasks.kernel.redact import process_redactor

# What git speaks by itself; `ext::` and its like would run programs.
ALLOWED_PROTOCOLS = "https:http:ssh:git:file"
# A login that only works by asking somebody must fail, not hang.
QUIET: Mapping[str, str] = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "GIT_ALLOW_PROTOCOL": ALLOWED_PROTOCOLS,
    "GIT_OPTIONAL_LOCKS": "0",
    # What git says is read; it must not be translated.
    "LC_ALL": "C.UTF-8",
    # A repository that is elsewhere now may be somebody else's, and git would send it the login.
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "http.followRedirects",
    "GIT_CONFIG_VALUE_0": "false",
}


@dataclass(frozen=True)
class GitLogin:
    """How to log in to a repository: with a token over HTTPS, or a key over SSH.

    Attributes:
        username: The name that goes with it; hosts that look only at the token take any.
        known_hosts: The server's host keys, as `ssh-keyscan` prints them; needed with a key.
    """

    token: str = field(default="", repr=False)
    username: str = "x-access-token"
    ssh_key: str = field(default="", repr=False)
    known_hosts: str = ""

    @contextmanager
    def environment(self, url: str) -> Iterator[dict[str, str]]:
        """Give the variables for git for the time of a `with` block; a key is on disk only so long."""
        process_redactor().add(*(secret for secret in (self.token, self.ssh_key) if secret))
        if self.ssh_key:
            with tempfile.TemporaryDirectory(prefix="sluice-git-") as folder:
                yield {**QUIET, "GIT_SSH_COMMAND": self._ssh_command(Path(folder))}
        elif self.token:
            yield {**QUIET, **self._header(url)}
        else:
            yield {**QUIET, "GIT_SSH_COMMAND": "ssh -o BatchMode=yes"}

    def _ssh_command(self, folder: Path) -> str:
        if not self.known_hosts.strip():
            raise TerminalError(
                "the repository's SSH login has no host keys",
                "add what `ssh-keyscan` prints for the git server",
            )
        key, known = folder / "key", folder / "known_hosts"
        key.touch(mode=0o600)
        key.write_text(self.ssh_key.replace("\r\n", "\n").strip() + "\n")
        known.write_text(self.known_hosts.strip() + "\n")
        options = {
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(known),
            "GlobalKnownHostsFile": "/dev/null",
            "BatchMode": "yes",
            "ConnectTimeout": "15",
        }
        words = [f"-o{name}={value}" for name, value in options.items()]
        return shlex.join(["ssh", "-F", "/dev/null", "-i", str(key), *words])

    def _header(self, url: str) -> dict[str, str]:
        """Return the configuration, beside that of `QUIET`, that sends the token to this server only."""
        coded = base64.b64encode(f"{self.username}:{self.token}".encode()).decode()
        process_redactor().add(coded)
        parts = urlsplit(url)
        server = urlunsplit((parts.scheme, parts.netloc, "/", "", ""))
        return {
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_1": f"http.{server}.extraHeader",
            "GIT_CONFIG_VALUE_1": f"Authorization: Basic {coded}",
        }


def split_url(url: str, login: GitLogin) -> tuple[str, GitLogin]:
    """Take a login out of a repository's address."""
    if url.startswith("-") or "\n" in url or "\0" in url or "::" in url.split("/", maxsplit=1)[0]:
        raise TerminalError(
            f"{url[:80]!r} is no address of a git repository", "use https://, ssh:// or a path"
        )
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or "@" not in parts.netloc:
        return url, login
    user, _, server = parts.netloc.rpartition("@")
    name, _, token = user.partition(":")
    found = GitLogin(token=unquote(token), username=unquote(name)) if token else GitLogin(token=unquote(name))
    process_redactor().add(found.token)
    return urlunsplit(parts._replace(netloc=server)), found
