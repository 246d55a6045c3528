"""A local loopback port that leads through an SSH connection to an address as seen from the host."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import paramiko

from tasks.adapters.ssh_connection import SshConnection
from tasks.adapters.ssh_transport import send, send_eof
from tasks.kernel.errors import SluiceError

CHUNK = 32 * 1024


class _Forwarder:
    """Accepts local connections and relays each over a channel of its own."""

    def __init__(self, connection: SshConnection, address: str, port: int) -> None:
        self._connection = connection
        self._target = (address, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._wake, self._waker = socket.socketpair()
        self._relays: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, name="ssh-tunnel", daemon=True)
        self._acceptor.start()

    @property
    def port(self) -> int:
        """The local port."""
        number: int = self._listener.getsockname()[1]
        return number

    def _accept(self) -> None:
        while True:
            ready, _, _ = select.select([self._listener, self._wake], [], [])
            if self._wake in ready:
                return
            client, _ = self._listener.accept()
            relay = threading.Thread(target=self._relay, args=(client,), name="ssh-relay", daemon=True)
            self._relays = [thread for thread in self._relays if thread.is_alive()] + [relay]
            relay.start()

    def _relay(self, client: socket.socket) -> None:
        with client:
            try:
                channel = self._connection.open("direct-tcpip", self._target)
            except SluiceError:
                # Nobody listens there: the client sees its connection closed, as it would without a tunnel.
                return
            with channel, suppress(OSError, EOFError, paramiko.SSHException):
                self._copy(client, channel)

    def _copy(self, client: socket.socket, channel: paramiko.Channel) -> None:
        sources: list[socket.socket | paramiko.Channel] = [client, channel, self._wake]
        while True:
            ready, _, _ = select.select(sources, [], [])
            if self._wake in ready:
                return
            if channel in ready:
                data = channel.recv(CHUNK)
                if not data:
                    return
                client.sendall(data)
            if client in ready:
                data = client.recv(CHUNK)
                if not data:
                    send_eof(channel)
                    sources.remove(client)
                while data:
                    sent = send(channel, data)
                    if not sent:
                        return
                    data = data[sent:]

    def close(self) -> None:
        """Stop accepting, end what is open, and wait for the threads."""
        # Never read, so the wake-up stays readable for every thread.
        self._waker.send(b"*")
        self._acceptor.join(timeout=5)
        self._listener.close()
        for relay in self._relays:
            relay.join(timeout=5)
        self._wake.close()
        self._waker.close()


@contextmanager
def forward(connection: SshConnection, address: str, port: int) -> Iterator[int]:
    """Open a tunnel for the time of a `with` block.

    Args:
        connection: The connection it goes through; it is checked first.
    """
    connection.open().close()
    forwarder = _Forwarder(connection, address, port)
    try:
        yield forwarder.port
    finally:
        forwarder.close()
