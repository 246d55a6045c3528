"""A server over SSH: logins, faults, limits, and words that must arrive as they are."""

from __future__ import annotations

import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import paramiko
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paramiko.common import MSG_CHANNEL_DATA, MSG_CHANNEL_EOF

from tasks.adapters.pool import close_all, host_for
from tasks.adapters.ssh import SshHost, command_line
from tasks.adapters.ssh_command import LINGER_SECONDS, ChannelCommand
from tasks.host import scripts
from tasks.kernel.archive import LISTED
from tasks.kernel.errors import FencedError, TerminalError, TransientError
from tasks.kernel.protocols import Call, Fence, Limits
from tasks.kernel.redact import Redactor
from tests.lab.connect import connect
from tests.lab.keys import ensure_key
from tests.lab.server import Server
from tests.tasks.packing import packed

ANY_TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=200)


def processes(server: Server, mark: str) -> list[str]:
    """Return the command lines on the server that hold a mark, but not the shells that were given it to run."""
    listed = server.run(("ps", "-eo", "stat=,args=")).stdout.splitlines()
    return [line for line in listed if mark in line and "sluice:" not in line and not line.startswith("Z")]


def eventually(condition: Callable[[], bool], seconds: float = 60) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.1)
    return condition()


def test_what_came_while_the_machine_stood_still_is_kept(
    ssh_host: SshHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    drain = ChannelCommand._drain

    def stalled(command: ChannelCommand) -> bool:
        read = drain(command)
        if not read:
            command._channel.status_event.wait(20)
            time.sleep(0.2)
        return read

    monkeypatch.setattr(ChannelCommand, "_drain", stalled)
    script = f"sleep {LINGER_SECONDS + 0.5}; echo last words"
    assert ssh_host.run(Call(("sh", "-c", script))).stdout == "last words\n"


# -- words ----------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(ANY_TEXT, max_size=5))
def test_any_words_arrive_as_they_are(ssh_host: SshHost, words: list[str]) -> None:
    sent = Call(("printf", r"%s\0", *words), env={"SLUICE_TEST": "".join(words).replace("\0", "")})
    assert ssh_host.run_raw(sent).stdout == b"".join(f"{word}\0".encode() for word in words or [""])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=ANY_TEXT)
def test_any_value_of_a_variable_arrives_as_it_is(ssh_host: SshHost, value: str) -> None:
    result = ssh_host.run_raw(Call(("sh", "-c", 'printf %s "$SLUICE_TEST"'), env={"SLUICE_TEST": value}))
    assert result.stdout == value.encode()


@settings(max_examples=200, deadline=None)
@given(words=st.lists(ANY_TEXT, min_size=1, max_size=5), cwd=ANY_TEXT)
def test_a_shell_reads_back_the_very_words(words: list[str], cwd: str) -> None:
    line = command_line(Call(tuple(words), cwd=cwd or None)).decode()
    assert shlex.split(line)[-len(words) - 3 :] == [cwd, "", "", *words]


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A=B", "A B", "$(id)", "A\n"])
def test_a_variable_must_have_a_name(name: str) -> None:
    with pytest.raises(TerminalError, match="name of an environment variable"):
        command_line(Call(("true",), env={name: "value"}))


@pytest.mark.parametrize("word", ["a\0b", "\ud800"])
def test_a_word_no_command_can_have_is_refused(word: str) -> None:
    with pytest.raises(TerminalError, match="character that no command can have"):
        command_line(Call(("echo", word)))


def test_a_command_longer_than_a_host_takes_is_refused() -> None:
    with pytest.raises(TerminalError, match="standard input"):
        command_line(Call(("echo", "x" * 200_000)))


def test_bytes_that_are_no_text_are_replaced(ssh_host: SshHost) -> None:
    assert ssh_host.run(Call(("printf", r"a\377b"))).stdout == "a\ufffdb"


def test_a_missing_program_is_a_result(ssh_host: SshHost) -> None:
    result = ssh_host.run(Call(("no-such-program",)))
    assert result.exit_code == 127
    assert "not found" in result.stderr


def test_standard_error_is_the_commands_own(ssh_host: SshHost) -> None:
    result = ssh_host.run(Call(("sh", "-c", "echo out; echo err >&2")))
    assert (result.stdout, result.stderr) == ("out\n", "err\n")


def test_secrets_are_redacted_where_people_look(server: Server) -> None:
    host = connect(server, redactor=Redactor(["hunter2-secret"]))
    lines: list[str] = []
    result = host.run(
        Call(("sh", "-c", "cat; cat /nowhere/hunter2-secret"), stdin=b"hunter2-secret\n"),
        on_line=lines.append,
    )
    assert "hunter2" not in result.stderr
    assert not any("hunter2" in line for line in lines)
    assert result.stdout == "hunter2-secret\n"
    host.close()


def test_much_goes_in_and_out(ssh_host: SshHost) -> None:
    content = bytes(range(256)) * 20_000
    assert ssh_host.run_raw(Call(("cat",), stdin=content)).stdout == content


def test_a_command_may_ignore_its_input(ssh_host: SshHost) -> None:
    assert ssh_host.run(Call(("echo", "done"), stdin=b"x" * 5_000_000)).stdout == "done\n"


def test_output_without_end_is_kept_within_bounds(ssh_host: SshHost) -> None:
    script = "head -c 3000000 /dev/zero | tr '\\0' 'e' >&2; echo end >&2"
    result = ssh_host.run(Call(("sh", "-c", script)))
    assert 900_000 < len(result.stderr) < 1_200_000
    assert result.stderr.endswith("e" * 100 + "end\n")
    assert result.stderr.startswith("[")


def test_a_command_ended_by_a_signal_is_no_lost_connection(ssh_host: SshHost) -> None:
    assert not ssh_host.run(Call(("sh", "-c", "kill -9 $$"))).ok


def test_what_a_command_left_running_does_not_hold_it_up(ssh_host: SshHost) -> None:
    began = time.monotonic()
    assert ssh_host.run(Call(("sh", "-c", "sleep 60 & echo gone"), limits=Limits(50, 50))).stdout == "gone\n"
    assert time.monotonic() - began < 30


# -- logins ---------------------------------------------------------------------------------------------------------


def test_another_host_key_than_the_pinned_one_is_refused(server: Server, tmp_path: Path) -> None:
    host = connect(server, host_keys=ensure_key(tmp_path / "other"))
    with pytest.raises(
        TerminalError, match=r"host key of adapters \([\d.]+\) is not the pinned one.*ssh-keyscan"
    ) as error:
        host.run(Call(("true",)))
    assert str(error.value).count("SHA256:") == 2
    assert "\n" not in str(error.value)


def test_a_host_without_a_key_of_the_pinned_kind_is_refused(server: Server, tmp_path: Path) -> None:
    keygen = ("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(tmp_path / "key"))
    subprocess.run(keygen, check=True)
    host = connect(server, host_keys=(tmp_path / "key.pub").read_text())
    with pytest.raises(TerminalError, match="no host key of the pinned kind"):
        host.run(Call(("true",)))


def test_one_of_several_pinned_keys_is_enough(server: Server, tmp_path: Path) -> None:
    other = ensure_key(tmp_path / "other")
    keyscan = f"# comment\n\n{server.address} {other}\n[{server.address}]:22 {server.host_key} me@there\n"
    host = connect(server, host_keys=keyscan)
    assert host.run(Call(("true",))).ok
    host.close()


def test_a_refused_key_is_final(server: Server, tmp_path: Path) -> None:
    ensure_key(tmp_path / "other")
    host = connect(server, private_key=(tmp_path / "other").read_text())
    with pytest.raises(TerminalError, match=r"refused the key SHA256:.* for the login deploy"):
        host.run(Call(("true",)))


def test_an_unknown_login_is_final(server: Server) -> None:
    with pytest.raises(TerminalError, match="login nobody-here"):
        connect(server, user="nobody-here").run(Call(("true",)))


@pytest.mark.parametrize(
    "text",
    ["", "not a key", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"],
)
def test_what_is_no_key_is_told_without_showing_it(server: Server, text: str) -> None:
    with pytest.raises(TerminalError, match="private key of host adapters") as error:
        connect(server, private_key=text).run(Call(("true",)))
    assert "AAAA" not in str(error.value)


def test_an_encrypted_key_needs_its_passphrase(server: Server, tmp_path: Path) -> None:
    keygen = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "open sesame", "-f", str(tmp_path / "key"))
    subprocess.run(keygen, check=True)
    encrypted = (tmp_path / "key").read_text()
    with pytest.raises(TerminalError, match="passphrase"):
        connect(server, private_key=encrypted).run(Call(("true",)))
    # Decrypted it is another key than the server knows, which only the server can tell.
    with pytest.raises(TerminalError, match="refused the key"):
        connect(server, private_key=encrypted, passphrase="open sesame").run(Call(("true",)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"port": 1}, "cannot be reached"),
        ({"address": "no-such-host.invalid"}, "cannot be resolved"),
    ],
    ids=["closed port", "unknown name"],
)
def test_an_unreachable_host_may_be_tried_again(
    server: Server, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(TransientError, match=words):
        connect(server, **changes).run(Call(("true",)))


def test_an_address_nobody_has_may_be_tried_again(server: Server) -> None:
    # In the lab's own network: beyond it, some networks answer for every address.
    nobody = f"{server.address.rpartition('.')[0]}.120"
    with pytest.raises(TransientError, match="cannot be reached"):
        connect(server, address=nobody, connect_seconds=1.0).run(Call(("true",)))


def test_what_is_no_ssh_server_may_be_tried_again(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = connect(server, address="127.0.0.1", port=listener.getsockname()[1], connect_seconds=1.0)
        with pytest.raises(TransientError, match="does not answer as an SSH server"):
            host.run(Call(("true",)))


# -- one connection -------------------------------------------------------------------------------------------------


def test_commands_of_many_threads_share_one_connection(ssh_host: SshHost, server: Server) -> None:
    ssh_host.run(Call(("true",)))
    before = len(processes(server, "sshd-session: deploy@"))
    with ThreadPoolExecutor(20) as pool:
        results = list(
            pool.map(lambda n: ssh_host.run(Call(("sh", "-c", f"sleep 0.2; echo {n}"))), range(40))
        )
    assert [result.stdout for result in results] == [f"{n}\n" for n in range(40)]
    assert len(processes(server, "sshd-session: deploy@")) == before


@pytest.mark.parametrize("stdin", [None, b"x" * 300_000])
def test_what_is_sent_late_to_a_command_that_ended_harms_no_other(
    server: Server, monkeypatch: pytest.MonkeyPatch, stdin: bytes | None
) -> None:
    """A thread may stand still between making a message and sending it, while the command ends."""
    send_message = vars(paramiko.Transport)["_send_user_message"]

    def send_late(self: paramiko.Transport, message: paramiko.Message) -> None:
        if message.asbytes()[0] in {MSG_CHANNEL_EOF, MSG_CHANNEL_DATA}:
            time.sleep(0.5)
        send_message(self, message)

    monkeypatch.setattr(paramiko.Transport, "_send_user_message", send_late)
    host = connect(server)
    with ThreadPoolExecutor(1) as beside:
        other = beside.submit(host.run, Call(("sh", "-c", "sleep 3; echo done")))
        for _ in range(2):
            assert host.run(Call(("true",), stdin=stdin)).ok
        assert other.result().stdout == "done\n"
    assert host.run(Call(("true",))).ok
    host.close()


def test_a_command_costs_a_few_milliseconds(ssh_host: SshHost) -> None:
    def once() -> float:
        began = time.perf_counter()
        ssh_host.run(Call(("true",)))
        return time.perf_counter() - began

    # The quickest of many: the machine may be busy. Without TCP_NODELAY not one is below 40 ms.
    assert any(once() < 0.025 for _ in range(400))


def drop_sessions(server: Server) -> None:
    server.run(("pkill", "-KILL", "-f", "sshd-session: deploy"), check=False)


def test_a_connection_that_died_between_commands_is_made_anew(server: Server) -> None:
    host = connect(server)
    assert host.run(Call(("true",))).ok
    drop_sessions(server)
    assert host.run(Call(("echo", "again"))).stdout == "again\n"
    host.close()
    assert host.run(Call(("echo", "and again"))).stdout == "and again\n"
    host.close()


def test_a_connection_lost_in_mid_command_may_be_tried_again(server: Server) -> None:
    host = connect(server)
    seen = threading.Event()

    def drop() -> None:
        seen.wait(30)
        drop_sessions(server)

    dropper = threading.Thread(target=drop)
    dropper.start()
    with pytest.raises(TransientError, match=r"broke while sh .* ran \(the host closed it"):
        host.run(Call(("sh", "-c", "echo started; sleep 60")), on_line=lambda _: seen.set())
    dropper.join()
    assert host.run(Call(("true",))).ok
    host.close()


def test_a_cut_network_is_noticed(server: Server) -> None:
    host = connect(server, dead_after_seconds=3.0)
    seen = threading.Event()

    def cut() -> None:
        seen.wait(30)
        server.cut_network()

    cutter = threading.Thread(target=cut)
    cutter.start()
    began = time.monotonic()
    try:
        with pytest.raises(
            TransientError,
            match=r"connection to adapters .* broke while .* ran \(.*(timed out|network failed)\)",
        ):
            host.run(Call(("sh", "-c", "echo started; sleep 120")), on_line=lambda _: seen.set())
        assert time.monotonic() - began < 60
        with pytest.raises(TransientError, match="cannot be reached"):
            connect(server, connect_seconds=1.0).run(Call(("true",)))
    finally:
        cutter.join()
        server.restore_network()
    assert eventually(lambda: host.run(Call(("true",))).ok)
    host.close()


def test_the_pool_gives_one_host_per_block(server: Server) -> None:
    from pydantic import SecretStr

    from blocks.compose_host import ComposeHost

    def block() -> ComposeHost:
        key = SecretStr(server.private_key_path.read_text())
        return ComposeHost(
            address=server.address, user=server.user, private_key=key, host_key=server.host_key
        )

    first = host_for(block(), "adapters")
    assert host_for(block(), "adapters") is first
    assert host_for(block(), "other") is not first
    assert first.run(Call(("true",))).ok
    close_all()
    assert host_for(block(), "adapters") is not first
    close_all()


# -- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", [Limits(2, 60), Limits(60, 2)], ids=["total", "idle"])
def test_a_hanging_command_is_ended_on_the_host(ssh_host: SshHost, server: Server, limits: Limits) -> None:
    mark = f"3{uuid4().int % 10**9}"
    with pytest.raises(TerminalError, match="was ended"):
        ssh_host.run(Call(("sh", "-c", f"sleep {mark} & sleep {mark}"), limits=limits))
    assert eventually(lambda: not processes(server, mark))


def test_a_command_that_ignores_the_request_is_killed(ssh_host: SshHost, server: Server) -> None:
    mark = f"3{uuid4().int % 10**9}"
    with pytest.raises(TerminalError, match="was ended"):
        ssh_host.run(
            Call(("sh", "-c", f"trap '' TERM; echo; sleep {mark}; sleep {mark}"), limits=Limits(2, 60))
        )
    assert eventually(lambda: not processes(server, mark))


def test_output_keeps_a_command_from_being_idle(ssh_host: SshHost) -> None:
    script = "for n in 1 2 3 4 5 6 7 8 9; do sleep 0.5; echo $n; done"
    assert ssh_host.run(Call(("sh", "-c", script), limits=Limits(60, 4))).ok


def test_a_command_whose_reader_fails_is_ended(ssh_host: SshHost, server: Server) -> None:
    mark = f"3{uuid4().int % 10**9}"

    def fail(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ssh_host.run(Call(("sh", "-c", f"echo go; sleep {mark}")), on_line=fail)
    assert eventually(lambda: not processes(server, mark))


# -- the fence ------------------------------------------------------------------------------------------------------


@pytest.fixture
def hurried(server: Server) -> Iterator[SshHost]:
    """A host that waits only a moment for commands of lower tokens."""
    host = connect(server, fence_seconds=1)
    yield host
    host.close()


def test_raising_the_fence_waits_for_running_commands(ssh_host: SshHost, folder: str) -> None:
    ssh_host.raise_fence(Fence(folder, 1))
    with ThreadPoolExecutor(1) as pool:
        slow = f"touch {folder}/begun; sleep 2; date +%s%N"
        late = pool.submit(ssh_host.run, Call(("sh", "-c", slow), fence=Fence(folder, 1)))
        # It holds the lock a moment before it reads the token: only what has begun is waited for.
        assert eventually(lambda: ssh_host.run(Call(("test", "-e", f"{folder}/begun"))).ok)
        ssh_host.raise_fence(Fence(folder, 2))
        raised = int(ssh_host.run(Call(("date", "+%s%N"))).stdout)
        assert int(late.result().stdout) < raised


MEET = """
touch "$0.$$"
tries=0
while [ "$(ls "$0".* | wc -l)" -lt 2 ] && [ "$tries" -lt 200 ]; do sleep 0.1; tries=$((tries + 1)); done
ls "$0".* | wc -l
"""


def test_commands_of_one_run_do_not_wait_for_each_other(ssh_host: SshHost, folder: str) -> None:
    ssh_host.raise_fence(Fence(folder, 1))
    call = Call(("sh", "-c", MEET, f"{folder}/here"), fence=Fence(folder, 1))
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(ssh_host.run, [call, call]))
    assert [result.stdout.strip() for result in results] == ["2", "2"]


# A command that runs until it is given the word: how long that takes must not matter.
WAIT = 'echo go; touch "$1.begun"; until [ -e "$1" ]; do sleep 0.1; done'


def test_a_new_run_refuses_late_commands_even_while_it_waits(
    hurried: SshHost, ssh_host: SshHost, folder: str
) -> None:
    ssh_host.raise_fence(Fence(folder, 1))
    with ThreadPoolExecutor(1) as pool:
        call = Call(("sh", "-c", WAIT, "wait-for-word", f"{folder}/word"), fence=Fence(folder, 1))
        running = pool.submit(ssh_host.run, call)
        assert eventually(lambda: ssh_host.run(Call(("test", "-e", f"{folder}/word.begun"))).ok)
        with pytest.raises(TransientError, match=r"still running: \d+ sh -c .* wait-for-word"):
            hurried.raise_fence(Fence(folder, 2))
        with pytest.raises(FencedError):
            ssh_host.run(Call(("true",), fence=Fence(folder, 1)))
        ssh_host.write_file(f"{folder}/word", b"")
        assert running.result().ok
    hurried.raise_fence(Fence(folder, 2))


def test_a_command_of_a_lost_connection_still_holds_the_fence(
    server: Server, hurried: SshHost, folder: str
) -> None:
    dead = connect(server)
    dead.raise_fence(Fence(folder, 1))
    seen = threading.Event()

    def drop() -> None:
        seen.wait(30)
        drop_sessions(server)

    dropper = threading.Thread(target=drop)
    dropper.start()
    with pytest.raises(TransientError):
        dead.run(
            Call(("sh", "-c", WAIT, "wait-for-word", f"{folder}/word"), fence=Fence(folder, 1)),
            on_line=lambda _: seen.set(),
        )
    dropper.join()
    with pytest.raises(TransientError, match="still running"):
        hurried.raise_fence(Fence(folder, 2))
    hurried.write_file(f"{folder}/word", b"")
    assert eventually(lambda: _raised(hurried, Fence(folder, 2)))
    dead.close()


def _raised(host: SshHost, fence: Fence) -> bool:
    try:
        host.raise_fence(fence)
    except TransientError:
        return False
    return True


def test_a_commands_own_exit_status_is_not_taken_for_the_wrappers(ssh_host: SshHost) -> None:
    for status in (scripts.EXIT_NO_FOLDER, scripts.EXIT_FENCED, scripts.EXIT_BUSY, scripts.EXIT_MISSING):
        assert ssh_host.run(Call(("sh", "-c", f"exit {status}"))).exit_code == status


# -- files ----------------------------------------------------------------------------------------------------------


def test_a_file_has_the_mode_that_was_asked_for(ssh_host: SshHost, folder: str) -> None:
    ssh_host.write_file(f"{folder}/secret", b"x", mode=0o600)
    ssh_host.write_file(f"{folder}/script", b"x", mode=0o755)
    found = ssh_host.run(Call(("stat", "-c", "%a", f"{folder}/secret", f"{folder}/script")))
    assert found.stdout.split() == ["600", "755"]


def test_a_half_sent_file_never_gets_its_name(ssh_host: SshHost, folder: str) -> None:
    ssh_host.write_file(f"{folder}/file", b"whole")
    result = ssh_host.run(Call(scripts.write(f"{folder}/file", 0o644, 100), stdin=b"half"))
    assert not result.ok
    assert "only 4 of 100 bytes" in result.stderr
    assert ssh_host.read_file(f"{folder}/file") == b"whole"
    assert ssh_host.run(Call(("ls", "-A", folder))).stdout == "file\n"


def test_cut_output_is_not_data(ssh_host: SshHost, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.adapters.command_runner.KEPT_STDOUT_BYTES", 100_000)
    longer = Call(("sh", "-c", "yes | head -c 300000"))
    with pytest.raises(TerminalError, match=f"on {ssh_host.name}: .*incomplete output is not used"):
        ssh_host.run(longer)
    assert ssh_host.run_raw(longer).cut
    assert ssh_host.run(longer, on_line=lambda _: None).cut
    ssh_host.write_file(f"{folder}/large", b"x" * 300_000)
    with pytest.raises(
        TerminalError, match=f"reading {folder}/large on {ssh_host.name}: .*incomplete output"
    ):
        ssh_host.read_file(f"{folder}/large")


def test_a_half_sent_archive_changes_nothing(ssh_host: SshHost, folder: str) -> None:
    result = ssh_host.run(Call(scripts.unpack(f"{folder}/bundle", 5000, LISTED, "0"), stdin=b"half"))
    assert not result.ok
    assert ssh_host.run(Call(("ls", "-A", folder))).stdout == ""


def test_unpacked_files_are_readable_for_containers(ssh_host: SshHost, folder: str) -> None:
    ssh_host.run(Call(("sh", "-c", "umask 077; mkdir -p $0", folder)))
    ssh_host.unpack(packed(file=""), f"{folder}/bundle")
    found = ssh_host.run(Call(("stat", "-c", "%a", f"{folder}/bundle", f"{folder}/bundle/file")))
    assert found.stdout.split() == ["755", "644"]
    assert ssh_host.run(Call(("ls", "-A", folder))).stdout == "bundle\n"


def test_a_full_disk_is_told_and_leaves_nothing(ssh_host: SshHost, server: Server, folder: str) -> None:
    ssh_host.write_file(f"{folder}/file", b"before")
    server.fill_disk(leave_bytes=1_000_000)
    try:
        with pytest.raises(TerminalError, match="disk"):
            ssh_host.write_file(f"{folder}/file", bytes(20_000_000))
        dumped = ssh_host.run(
            Call(scripts.dump(f"{folder}/x.dump", ("head", "-c", "20000000", "/dev/urandom")))
        )
        assert not dumped.ok
        assert "disk full" in dumped.stderr
    finally:
        server.free_disk()
    assert ssh_host.read_file(f"{folder}/file") == b"before"
    assert ssh_host.run(Call(("ls", "-A", folder))).stdout == "file\n"


def test_a_file_that_may_not_be_read_is_an_error(ssh_host: SshHost, server: Server, folder: str) -> None:
    ssh_host.write_file(f"{folder}/file", b"x")
    server.run(("chown", "root", f"/home/deploy/{folder}/file"))
    server.run(("chmod", "600", f"/home/deploy/{folder}/file"))
    with pytest.raises(TerminalError, match=r"reading .*ermission denied"):
        ssh_host.read_file(f"{folder}/file")


# -- tunnels --------------------------------------------------------------------------------------------------------


def test_a_tunnel_leads_to_what_the_host_sees(ssh_host: SshHost) -> None:
    with ssh_host.tunnel("127.0.0.1", 22) as port:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
                assert client.recv(4) == b"SSH-"


ECHO = """
use IO::Socket::INET;
my $server = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", LocalPort => $ARGV[0], ReuseAddr => 1);
$| = 1; print "ready\n";
my $client = $server->accept;
while (sysread($client, my $data, 65536)) { syswrite($client, $data); }
"""


def test_a_tunnel_carries_much_in_both_directions(ssh_host: SshHost) -> None:
    content = bytes(range(256)) * 4000
    ready = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        call = Call(("perl", "-e", ECHO, "4747"), limits=Limits(60, 60))
        server = pool.submit(ssh_host.run, call, on_line=lambda _: ready.set())
        assert ready.wait(30)
        with (
            ssh_host.tunnel("127.0.0.1", 4747) as port,
            socket.create_connection(("127.0.0.1", port), 30) as client,
        ):
            sending = pool.submit(client.sendall, content)
            back = b""
            while len(back) < len(content):
                back += client.recv(65536)
            sending.result()
        assert back == content
        assert server.result().ok


def test_a_tunnel_to_nobody_closes_the_connection(ssh_host: SshHost) -> None:
    with (
        ssh_host.tunnel("127.0.0.1", 1) as port,
        socket.create_connection(("127.0.0.1", port), timeout=20) as client,
    ):
        assert client.recv(1) == b""
    assert ssh_host.run(Call(("true",))).ok


def test_a_tunnel_leaves_no_thread_and_no_port(ssh_host: SshHost) -> None:
    with ssh_host.tunnel("127.0.0.1", 22) as port:
        client = socket.create_connection(("127.0.0.1", port), timeout=20)
        client.recv(4)
    assert not [thread for thread in threading.enumerate() if thread.name in {"ssh-tunnel", "ssh-relay"}]
    with client, pytest.raises(OSError):  # noqa: PT011 - refused or reset, as the system likes
        socket.create_connection(("127.0.0.1", port), timeout=5).close()


def test_a_tunnel_of_an_unreachable_host_is_told_at_once(server: Server) -> None:
    with (
        pytest.raises(TransientError, match="cannot be reached"),
        connect(server, port=1).tunnel("127.0.0.1", 22),
    ):
        pytest.fail("the tunnel must not open")
