"""One connection for all commands: made anew when it died, and what an endpoint's refusals mean. No server is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import paramiko
import pytest

from tasks.adapters import ssh_connection
from tasks.adapters.ssh_connection import Endpoint, SshConnection
from tasks.adapters.ssh_keys import algorithms, pinned_keys, private_key
from tasks.kernel.errors import SluiceError, TerminalError, TransientError

KEY = paramiko.ECDSAKey.generate(bits=256)
OTHER = paramiko.ECDSAKey.generate(bits=256)
PINNED = f"{KEY.get_name()} {KEY.get_base64()}"
ENDPOINT = Endpoint(
    name="prod",
    address="192.0.2.1",
    port=22,
    user="deploy",
    private_key="key",
    passphrase=None,
    host_keys=PINNED,
)


class FakeTransport:
    """A connection that answers what it is told to, one answer a channel."""

    def __init__(self, *answers: Exception | str, active: bool = True) -> None:
        self.answers = [*answers]
        self.active = active
        self.asked: list[tuple[str, tuple[str, int] | None]] = []

    def open_channel(self, kind: str, address: tuple[str, int] | None, *_: object, **__: object) -> str:
        self.asked.append((kind, address))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def is_active(self) -> bool:
        return self.active

    def close(self) -> None:
        self.active = False


def connected(monkeypatch: pytest.MonkeyPatch, *transports: FakeTransport) -> SshConnection:
    """Return a connection that is made of these, one after the other."""
    given = iter(transports)
    monkeypatch.setattr(ssh_connection, "connect", lambda _: next(given))
    return SshConnection(ENDPOINT)


def opened(connection: SshConnection, *where: Any) -> object:
    return connection.open(*where)


class DyingTransport(FakeTransport):
    """A connection that turns out to be dead."""

    def open_channel(self, kind: str, address: tuple[str, int] | None, *_: object, **__: object) -> str:
        self.active = False
        return super().open_channel(kind, address)


def test_one_connection_serves_all_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = FakeTransport("one", "two")
    connection = connected(monkeypatch, transport)
    assert [opened(connection), opened(connection, "direct-tcpip", ("db", 5432))] == ["one", "two"]
    assert transport.asked == [("session", None), ("direct-tcpip", ("db", 5432))]


def test_a_connection_found_dead_is_made_anew_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = DyingTransport(EOFError()), FakeTransport("channel")
    assert opened(connected(monkeypatch, first, second)) == "channel"
    dead = [DyingTransport(EOFError()), DyingTransport(paramiko.SSHException("gone"))]
    with pytest.raises(TransientError, match=r"connection to prod \(192.0.2.1\) was lost: gone"):
        connected(monkeypatch, *dead).open()


def test_a_channel_that_never_opens_is_a_dead_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = FakeTransport(paramiko.SSHException("Timeout opening channel."))
    assert opened(connected(monkeypatch, hanging, FakeTransport("channel"))) == "channel"
    assert not hanging.active


def test_a_session_is_waited_for_and_a_refused_address_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    full = paramiko.ChannelException(1, "open failed")
    assert opened(connected(monkeypatch, FakeTransport(full, full, "channel"))) == "channel"
    monkeypatch.setattr(ssh_connection, "SESSION_SECONDS", -1.0)
    with pytest.raises(TransientError, match=r"one more session .*open failed.*MaxSessions"):
        connected(monkeypatch, FakeTransport(full)).open()
    with pytest.raises(TransientError, match="AllowTcpForwarding"):
        connected(monkeypatch, FakeTransport(full)).open("direct-tcpip", ("db", 1))


def test_a_closed_connection_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = FakeTransport("one"), FakeTransport("two")
    connection = connected(monkeypatch, first, second)
    assert opened(connection) == "one"
    connection.close()
    connection.close()
    assert (first.active, opened(connection)) == (False, "two")


@pytest.mark.parametrize(("port", "shown"), [(22, "prod (192.0.2.1)"), (2222, "prod (192.0.2.1:2222)")])
def test_an_endpoint_is_shown_without_its_keys(port: int, shown: str) -> None:
    values = {**vars(ENDPOINT), "port": port, "private_key": "SECRET", "passphrase": "SESAME"}
    endpoint = Endpoint(**values)
    assert str(endpoint) == shown
    assert "SECRET" not in repr(endpoint)
    assert "SESAME" not in repr(endpoint)


def login(answer: Callable[[], list[str]]) -> paramiko.Transport:
    class Asked:
        def auth_publickey(self, user: str, key: paramiko.PKey) -> list[str]:
            assert (user, key) == ("deploy", KEY)
            return answer()

    return cast("paramiko.Transport", Asked())


def raising(error: Exception) -> Callable[[], list[str]]:
    def answer() -> list[str]:
        raise error

    return answer


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (raising(paramiko.BadAuthenticationType("no", ["password"])), TerminalError, "only password"),
        (raising(paramiko.AuthenticationException("EOF")), TransientError, "during the login"),
        (raising(paramiko.AuthenticationException("no")), TerminalError, "refused the key SHA256:"),
        (lambda: ["keyboard-interactive"], TerminalError, "more than a key: keyboard-interactive"),
    ],
)
def test_a_refused_login_says_what_to_do(
    answer: Callable[[], list[str]], kind: type[SluiceError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        ssh_connection._log_in(login(answer), ENDPOINT, KEY)


def test_a_login_by_key_is_enough() -> None:
    ssh_connection._log_in(login(list), ENDPOINT, KEY)


def test_only_a_pinned_host_key_is_accepted() -> None:
    pinned = pinned_keys(PINNED, "prod")
    ssh_connection._check_host_key(KEY, ENDPOINT, pinned)
    with pytest.raises(TerminalError, match=r"is not the pinned one: .*man in the middle"):
        ssh_connection._check_host_key(OTHER, ENDPOINT, pinned)


def test_pinned_keys_are_read_whatever_stands_in_front_of_them() -> None:
    (key,) = pinned_keys(f"# a comment\n\n[192.0.2.9]:22 {PINNED}\n", "prod")
    assert key.asbytes() == KEY.asbytes()


@pytest.mark.parametrize("text", ["", "# nothing", "ssh-ed25519 AAAA", "hello"])
def test_what_is_no_host_key_is_refused(text: str) -> None:
    with pytest.raises(TerminalError, match="pinned host keys of host prod cannot be used"):
        pinned_keys(text, "prod")


def test_what_is_no_private_key_is_refused_without_its_text() -> None:
    with pytest.raises(TerminalError, match="private key of host prod cannot be used") as error:
        private_key("-----BEGIN hunter22-----", None, "prod")
    assert "hunter22" not in str(error.value)


def test_an_rsa_key_is_shown_by_its_newer_signatures() -> None:
    def named(name: str) -> Any:
        return type("Key", (), {"get_name": lambda _: name})()

    assert algorithms((named("ssh-rsa"), named("ssh-ed25519"))) == {
        "rsa-sha2-512",
        "rsa-sha2-256",
        "ssh-ed25519",
    }
