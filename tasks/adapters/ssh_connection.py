"""One SSH connection to a host: made when needed, shared by all its commands, made anew when it died."""

from __future__ import annotations

import logging
import socket
import threading
import time
from dataclasses import dataclass, field

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from tasks.adapters.ssh_keys import algorithms, pinned_keys, private_key
from tasks.adapters.ssh_transport import Transport
from tasks.kernel.errors import SluiceError, TerminalError, TransientError

LOG_NAME = "sluice.ssh"
# The library writes tracebacks for what is raised here as an error with a message.
logging.getLogger(LOG_NAME).addHandler(logging.NullHandler())
logging.getLogger(LOG_NAME).propagate = False

KEEPALIVE_SECONDS = 15
# A cut network shows only by packets that are never acknowledged.
DEAD_AFTER_SECONDS = 45
# Opening a channel on a live connection takes milliseconds, on a server under load seconds.
CHANNEL_SECONDS = 30.0
# How long to wait for a session where the server has no more of them: others end.
SESSION_SECONDS = 60.0


@dataclass(frozen=True)
class Endpoint:
    """Where a host is, and how to log in.

    Attributes:
        host_keys: The pinned host keys, one a line.
        dead_after_seconds: How long the network may be cut before the connection counts as lost.
    """

    name: str
    address: str
    port: int
    user: str
    private_key: str = field(repr=False)
    passphrase: str | None = field(repr=False)
    host_keys: str
    connect_seconds: float = 10.0
    dead_after_seconds: float = DEAD_AFTER_SECONDS

    def __str__(self) -> str:
        place = self.address if self.port == paramiko.config.SSH_PORT else f"{self.address}:{self.port}"
        return f"{self.name} ({place})"


class SshConnection:
    """The connection to one host. Any number of threads may use it at once."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._lock = threading.Lock()
        self._transport: paramiko.Transport | None = None

    def open(self, kind: str = "session", address: tuple[str, int] | None = None) -> paramiko.Channel:
        """Open a channel, connecting first where there is no live connection.

        Nothing runs on the host before a channel is open, so a connection found dead is made anew once.

        Args:
            kind: `session` or `direct-tcpip`.
            address: Where a `direct-tcpip` channel leads to, as seen from the host.
        """
        until = time.monotonic() + SESSION_SECONDS
        found_dead = False
        while True:
            transport = self._live()
            try:
                return transport.open_channel(kind, address, ("127.0.0.1", 0), timeout=CHANNEL_SECONDS)
            except (paramiko.SSHException, EOFError, OSError) as error:
                # Which error comes is no help: threads that fail together get each other's.
                if transport.is_active() and "Timeout" not in str(error):
                    if kind != "session" or time.monotonic() > until:
                        raise self._refused(kind, error) from error
                    # The server counts a session for a moment after it was closed here.
                    time.sleep(0.05)
                    continue
                self._forget(transport)
                if found_dead:
                    raise self._lost(error) from error
                found_dead = True

    def _refused(self, kind: str, error: Exception) -> TransientError:
        said = error.text if isinstance(error, paramiko.ChannelException) else str(error)
        if kind == "session":
            return TransientError(
                f"{self.endpoint} refused one more session for {SESSION_SECONDS:g} s: {said}",
                "raise MaxSessions in its sshd_config",
            )
        return TransientError(
            f"{self.endpoint} opened no connection: {said}",
            "check that something listens there, and AllowTcpForwarding in its sshd_config",
        )

    def _live(self) -> paramiko.Transport:
        with self._lock:
            if self._transport is None or not self._transport.is_active():
                self._transport = connect(self.endpoint)
            return self._transport

    def _forget(self, transport: paramiko.Transport) -> None:
        """Close a connection that is dead; another thread may have made a new one already."""
        with self._lock:
            if self._transport is transport:
                self._transport = None
        transport.close()

    def _lost(self, error: Exception) -> TransientError:
        reason = f": {error}" if str(error) else ""
        return TransientError(
            f"the connection to {self.endpoint} was lost{reason}",
            "check the network and the server; try again",
        )

    def close(self) -> None:
        """Close the connection; the next use makes it anew."""
        with self._lock:
            transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()


def connect(endpoint: Endpoint) -> paramiko.Transport:
    """Connect and log in, trusting only the pinned host keys."""
    key = private_key(endpoint.private_key, endpoint.passphrase, endpoint.name)
    pinned = pinned_keys(endpoint.host_keys, endpoint.name)
    transport = Transport(_dial(endpoint))
    try:
        _negotiate(transport, endpoint, pinned)
        _check_host_key(transport.get_remote_server_key(), endpoint, pinned)
        _log_in(transport, endpoint, key)
        transport.set_keepalive(min(KEEPALIVE_SECONDS, max(1, int(endpoint.dead_after_seconds / 3))))
    except (SluiceError, KeyboardInterrupt):
        transport.close()
        raise
    except (paramiko.SSHException, EOFError, OSError) as error:
        transport.close()
        raise TransientError(
            f"{endpoint} does not answer as an SSH server: {error or type(error).__name__}",
            "check address and port, and that its sshd accepts connections",
        ) from error
    return transport


def _dial(endpoint: Endpoint) -> socket.socket:
    try:
        made = socket.create_connection((endpoint.address, endpoint.port), endpoint.connect_seconds)
    except socket.gaierror as error:
        raise TransientError(
            f"the name {endpoint.address} of host {endpoint.name} cannot be resolved: {error.strerror}",
            "check the address in the host's block, and DNS",
        ) from error
    except OSError as error:
        raise TransientError(
            f"host {endpoint} cannot be reached: {error.strerror or 'no answer'}",
            "check that it is up, the address and port in its block, and firewalls in between",
        ) from error
    # Without it a command waits for the acknowledgement of the packet before: 44 ms instead of 2.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        milliseconds = int(endpoint.dead_after_seconds * 1000)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    return made


def _negotiate(transport: paramiko.Transport, endpoint: Endpoint, pinned: tuple[paramiko.PKey, ...]) -> None:
    transport.set_log_channel(LOG_NAME)
    transport.banner_timeout = endpoint.connect_seconds
    transport.handshake_timeout = endpoint.connect_seconds
    transport.auth_timeout = endpoint.connect_seconds
    options = transport.get_security_options()
    offered = algorithms(pinned)
    options.key_types = tuple(kind for kind in options.key_types if kind in offered)
    try:
        transport.start_client(timeout=endpoint.connect_seconds)
    except IncompatiblePeer as error:
        raise TerminalError(
            f"host {endpoint} has no host key of the pinned kind ({', '.join(sorted(offered))})", _COMPARE
        ) from error


_COMPARE = (
    "if the server was installed again, read its keys on its own console "
    "(`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`), compare with `ssh-keyscan`, and pin them; "
    "otherwise it may be a man in the middle"
)


def _check_host_key(shown: paramiko.PKey, endpoint: Endpoint, pinned: tuple[paramiko.PKey, ...]) -> None:
    if any(key.asbytes() == shown.asbytes() for key in pinned):
        return
    expected = " or ".join(key.fingerprint for key in pinned if key.get_name() == shown.get_name())
    raise TerminalError(
        f"host key of {endpoint} is not the pinned one: it shows {shown.fingerprint}, pinned is {expected}",
        _COMPARE,
    )


def _log_in(transport: paramiko.Transport, endpoint: Endpoint, key: paramiko.PKey) -> None:
    try:
        further = transport.auth_publickey(endpoint.user, key)
    except paramiko.BadAuthenticationType as error:
        raise TerminalError(
            f"{endpoint} allows no login by key, only {', '.join(error.allowed_types)}",
            "set PubkeyAuthentication yes in its sshd_config",
        ) from error
    except paramiko.AuthenticationException as error:
        if "EOF" in str(error) or "timeout" in str(error):
            raise TransientError(
                f"{endpoint} closed the connection during the login",
                "try again; see the server's log if it fails again",
            ) from error
        raise TerminalError(
            f"{endpoint} refused the key {key.fingerprint} for the login {endpoint.user}",
            f"add the public key to ~{endpoint.user}/.ssh/authorized_keys on the server",
        ) from error
    if further:
        raise TerminalError(
            f"{endpoint} asks for more than a key: {', '.join(further)}",
            f"let the login {endpoint.user} log in with its key alone (AuthenticationMethods in its sshd_config)",
        )
