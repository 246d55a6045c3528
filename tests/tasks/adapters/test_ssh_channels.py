"""Writing to channels that the host may close at any moment, and tunnels over them. No server is asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any, cast

import paramiko
import pytest

from tasks.adapters import ssh_transport, ssh_tunnel
from tasks.adapters.ssh_connection import SshConnection
from tasks.adapters.ssh_transport import Transport, send
from tasks.adapters.ssh_tunnel import forward
from tasks.kernel.errors import TransientError


class FakeChannel:
    """A channel with a window, on a connection of its own."""

    def __init__(self, transport: Transport, window: int = 0) -> None:
        self.transport = transport
        self.out_buffer_cv = threading.Condition()
        self.out_window_size = window
        self.closed = False
        self.eof_sent = False
        self.sent = b""

    def get_transport(self) -> Transport:
        return self.transport

    def send_ready(self) -> bool:
        return self.closed or self.eof_sent or self.out_window_size > 0

    def send(self, piece: bytes) -> int:
        if self.closed:
            raise OSError("closed")
        taken = piece[: self.out_window_size]
        self.sent += taken
        return len(taken)


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> Iterator[Transport]:
    monkeypatch.setattr(ssh_transport, "_WINDOW_SECONDS", 0.01)
    ours, theirs = socket.socketpair()
    made = Transport(ours)
    yield made
    made.close()
    ours.close()
    theirs.close()


def as_channel(fake: FakeChannel) -> paramiko.Channel:
    return cast("paramiko.Channel", fake)


def test_a_closing_is_answered_after_what_is_being_sent(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered: list[Any] = []
    monkeypatch.setattr(transport, "_answer", lambda channel, _: answered.append(channel))
    busy, idle = as_channel(FakeChannel(transport)), as_channel(FakeChannel(transport))
    message = paramiko.Message()
    with transport.sending(busy):
        transport._answer_closing(busy, message)
        transport._answer_closing(idle, message)
        assert answered == [idle]
    assert answered == [idle, busy]


def test_as_much_is_sent_as_the_host_takes(transport: Transport) -> None:
    channel = FakeChannel(transport, window=3)
    assert send(as_channel(channel), b"abcdef") == 3
    assert channel.sent == b"abc"


def test_a_full_window_is_waited_for(transport: Transport) -> None:
    channel = FakeChannel(transport)

    def widen() -> None:
        with channel.out_buffer_cv:
            channel.out_window_size = 2
            channel.out_buffer_cv.notify_all()

    timer = threading.Timer(0.02, widen)
    timer.start()
    assert send(as_channel(channel), b"abc") == 2
    timer.join()


def test_a_closed_channel_takes_nothing(transport: Transport) -> None:
    channel = FakeChannel(transport)
    channel.closed = True
    with pytest.raises(OSError, match="closed"):
        send(as_channel(channel), b"abc")


class FakeConnection:
    """A connection whose channels are sockets that lead to a service which says all back in capitals."""

    def __init__(self, *, listens: bool = True) -> None:
        self.listens = listens
        self.asked: list[tuple[str, int] | None] = []

    def open(self, kind: str = "session", address: tuple[str, int] | None = None) -> socket.socket:
        self.asked.append(address)
        if kind == "direct-tcpip" and not self.listens:
            raise TransientError("nobody listens there")
        ours, theirs = socket.socketpair()
        if kind == "session":
            theirs.close()
        else:
            threading.Thread(target=self._serve, args=(theirs,), daemon=True).start()
        return ours

    def _serve(self, there: socket.socket) -> None:
        with there:
            while data := there.recv(1000):
                there.sendall(data.upper())


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write to the fakes' sockets as to channels."""
    monkeypatch.setattr(ssh_tunnel, "send", lambda channel, data: channel.send(data))
    monkeypatch.setattr(ssh_tunnel, "send_eof", lambda channel: channel.shutdown(socket.SHUT_WR))


@pytest.mark.usefixtures("sockets")
def test_a_tunnel_leads_to_the_address_for_each_client() -> None:
    connection = FakeConnection()
    with forward(cast("SshConnection", connection), "db", 5432) as port:
        for word in (b"one", b"two"):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
                client.sendall(word)
                client.shutdown(socket.SHUT_WR)
                assert client.recv(100) == word.upper()
                assert client.recv(100) == b""
    assert connection.asked == [None, ("db", 5432), ("db", 5432)]
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.mark.usefixtures("sockets")
def test_a_client_of_nobody_sees_its_connection_closed() -> None:
    with (
        forward(cast("SshConnection", FakeConnection(listens=False)), "db", 1) as port,
        socket.create_connection(("127.0.0.1", port), timeout=5) as client,
    ):
        assert client.recv(100) == b""


@pytest.mark.usefixtures("sockets")
def test_the_end_of_a_tunnel_ends_what_is_open() -> None:
    with forward(cast("SshConnection", FakeConnection()), "db", 1) as port:
        client = socket.create_connection(("127.0.0.1", port), timeout=5)
        client.sendall(b"x")
        assert client.recv(100) == b"X"
    assert client.recv(100) == b""
    client.close()
