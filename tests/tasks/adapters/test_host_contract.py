"""What every host does alike: the fake, and a server over SSH."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from tasks.kernel.archive import LISTED, Archive
from tasks.kernel.errors import FencedError, TerminalError, TransientError
from tasks.kernel.protocols import Call, Fence, Host
from tests.fakes.host import FakeHost
from tests.tasks.packing import packed

# One of its parameters asks for the lab.
pytestmark = pytest.mark.lab


@pytest.fixture(params=["fake", "ssh"])
def host(request: pytest.FixtureRequest) -> Host:
    found: Host = request.getfixturevalue("ssh_host") if request.param == "ssh" else FakeHost()
    return found


class Broken(Archive):
    """An archive whose bytes are none."""

    def pieces(self) -> Iterator[bytes]:
        content = b"".join(super().pieces())
        yield b"no archive at all" * (len(content) // 17) + b"!" * (len(content) % 17)


def test_a_written_file_is_read_back_byte_by_byte(host: Host, folder: str) -> None:
    content = bytes(range(256)) * 10
    host.write_file(f"{folder}/deep/er/file", content)
    assert host.read_file(f"{folder}/deep/er/file") == content


def test_a_file_that_is_not_there_is_none(host: Host, folder: str) -> None:
    assert host.read_file(f"{folder}/nothing") is None


def test_a_file_is_replaced(host: Host, folder: str) -> None:
    host.write_file(f"{folder}/file", b"first, and longer")
    host.write_file(f"{folder}/file", b"second")
    assert host.read_file(f"{folder}/file") == b"second"


def test_an_empty_file_is_not_a_missing_one(host: Host, folder: str) -> None:
    host.write_file(f"{folder}/empty", b"")
    assert host.read_file(f"{folder}/empty") == b""


@pytest.mark.parametrize("name", ["it's", "two words", "$(touch pwned)", "-rf", "new\nline", "ünï"])
def test_a_file_may_have_any_name(host: Host, folder: str, name: str) -> None:
    host.write_file(f"{folder}/{name}", b"text")
    assert host.read_file(f"{folder}/{name}") == b"text"


def test_relative_paths_start_from_the_login_directory(host: Host, folder: str) -> None:
    home = host.run(Call(("pwd",))).stdout.strip()
    host.write_file(f"{folder}/file", b"text")
    assert host.read_file(f"{home}/{folder}/file") == b"text"


def test_a_folder_is_not_overwritten_by_a_file(host: Host, folder: str) -> None:
    host.write_file(f"{folder}/inner/file", b"text")
    with pytest.raises(TerminalError, match="folder"):
        host.write_file(f"{folder}/inner", b"text")
    assert host.read_file(f"{folder}/inner/file") == b"text"


def test_a_folder_that_is_not_there_is_an_error(host: Host, folder: str) -> None:
    with pytest.raises(TerminalError, match=f"no folder {folder}"):
        host.run(Call(("pwd",), cwd=folder))


def test_a_command_runs_in_its_folder(host: Host, folder: str) -> None:
    home = host.run(Call(("pwd",))).stdout.strip()
    host.write_file(f"{folder}/file", b"text")
    assert host.run(Call(("pwd",), cwd=f"{home}/{folder}")).stdout == f"{home}/{folder}\n"


def test_an_archive_is_unpacked(host: Host, folder: str) -> None:
    host.unpack(packed(one="1", deep__two="2"), f"{folder}/bundle")
    assert host.read_file(f"{folder}/bundle/one") == b"1"
    assert host.read_file(f"{folder}/bundle/deep/two") == b"2"


def test_an_unpacked_folder_is_replaced_as_a_whole(host: Host, folder: str) -> None:
    host.unpack(packed(old="1", both="1"), f"{folder}/bundle")
    host.unpack(packed(new="2", both="2"), f"{folder}/bundle")
    assert host.read_file(f"{folder}/bundle/old") is None
    assert host.read_file(f"{folder}/bundle/both") == b"2"


def test_a_broken_archive_leaves_what_was_there(host: Host, folder: str) -> None:
    host.unpack(packed(one="1"), f"{folder}/bundle")
    with pytest.raises(TerminalError, match="unpacking into"), tempfile.TemporaryFile() as empty:
        host.unpack(Broken(empty, {}, {}), f"{folder}/bundle")
    assert host.read_file(f"{folder}/bundle/one") == b"1"


def test_a_file_that_is_not_what_was_sent_is_named_and_what_was_there_stays(host: Host, folder: str) -> None:
    host.unpack(packed(one="1"), f"{folder}/bundle")
    other = packed({"good": "g", "-bad\nname": "1"})
    other.checksums |= {"-bad\nname": "0" * 64, "never sent": "1" * 64}
    with pytest.raises(TerminalError) as error:
        host.unpack(other, f"{folder}/bundle")
    assert "-bad\\nname has another content; never sent cannot be read" in str(error.value)
    assert "good" not in str(error.value)
    assert host.read_file(f"{folder}/bundle/one") == b"1"


def test_small_files_take_the_place_of_others(host: Host, folder: str) -> None:
    host.unpack(packed(one="1", two="2").with_files({"two": b"two", "three": b""}), f"{folder}/bundle")
    read = [host.read_file(f"{folder}/bundle/{name}") for name in ("one", "two", "three", LISTED)]
    assert read == [b"1", b"two", b"", None]


def test_a_fenced_command_runs_with_the_token_that_stands(host: Host, folder: str) -> None:
    host.raise_fence(Fence(folder, 3))
    assert host.run(Call(("echo", "in"), fence=Fence(folder, 3))).stdout == "in\n"


@pytest.mark.parametrize("token", [2, 4])
def test_a_fenced_command_with_another_token_is_refused(host: Host, folder: str, token: int) -> None:
    host.raise_fence(Fence(folder, 3))
    with pytest.raises(FencedError, match=f"token {token}"):
        host.run(Call(("echo", "in"), fence=Fence(folder, token)))


def test_a_fence_nobody_raised_refuses(host: Host, folder: str) -> None:
    host.write_file(f"{folder}/file", b"")
    with pytest.raises((FencedError, TerminalError)):
        host.run(Call(("echo", "in"), fence=Fence(folder, 1)))


def test_a_fence_is_never_lowered(host: Host, folder: str) -> None:
    host.raise_fence(Fence(folder, 9))
    with pytest.raises(FencedError, match="token 8"):
        host.raise_fence(Fence(folder, 8))
    assert host.run(Call(("true",), fence=Fence(folder, 9))).ok


def test_tokens_are_compared_as_numbers(host: Host, folder: str) -> None:
    host.raise_fence(Fence(folder, 9))
    host.raise_fence(Fence(folder, 10))
    with pytest.raises(FencedError):
        host.raise_fence(Fence(folder, 9))


def test_a_fence_is_raised_twice_to_the_same_token(host: Host, folder: str) -> None:
    host.raise_fence(Fence(folder, 5))
    host.raise_fence(Fence(folder, 5))
    assert host.run(Call(("true",), fence=Fence(folder, 5))).ok


def test_fences_of_two_applications_are_apart(host: Host, folder: str) -> None:
    host.raise_fence(Fence(f"{folder}/one", 5))
    host.raise_fence(Fence(f"{folder}/two", 1))
    assert host.run(Call(("true",), fence=Fence(f"{folder}/two", 1))).ok


def test_a_late_write_is_refused(host: Host, folder: str) -> None:
    host.raise_fence(Fence(folder, 1))
    host.write_file(f"{folder}/file", b"in time", fence=Fence(folder, 1))
    host.raise_fence(Fence(folder, 2))
    with pytest.raises(FencedError):
        host.write_file(f"{folder}/file", b"late", fence=Fence(folder, 1))
    with pytest.raises(FencedError):
        host.unpack(packed(one="1"), f"{folder}/bundle", fence=Fence(folder, 1))
    assert host.read_file(f"{folder}/file") == b"in time"
    assert host.read_file(f"{folder}/bundle/one") is None


def told(content: bytes) -> dict[str, Any]:
    """Return what a receiver is told of a content: its size and checksum."""
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def cut(content: bytes, size: int = 50_000) -> Iterator[bytes]:
    """Yield a content in pieces."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("size", [0, 1, 1_000_003])
def test_a_file_goes_and_comes_in_pieces(host: Host, folder: str, size: int) -> None:
    content = (bytes(range(256)) * (size // 256 + 1))[:size]
    host.write_pieces(f"{folder}/deep/it's", cut(content), **told(content))
    taken: list[bytes] = []
    host.read_pieces(f"{folder}/deep/it's", taken.append)
    assert b"".join(taken) == content
    assert all(len(piece) <= 65536 for piece in taken)


def test_a_file_that_is_not_there_has_no_pieces(host: Host, folder: str) -> None:
    with pytest.raises(TerminalError, match=f"no file {folder}/nothing"):
        host.read_pieces(f"{folder}/nothing", lambda _: None)


def test_pieces_that_are_fewer_or_others_leave_what_was_there(host: Host, folder: str) -> None:
    content = b"whole" * 10_000
    host.write_pieces(f"{folder}/file", cut(content), **told(content))
    with pytest.raises(TerminalError, match="only 1000 of 50000 bytes"):
        host.write_pieces(f"{folder}/file", cut(content[:1000]), **told(content))
    with pytest.raises(TerminalError, match="another checksum"):
        host.write_pieces(f"{folder}/file", cut(content[:-1] + b"!"), **told(content))
    assert host.read_file(f"{folder}/file") == content


def test_what_the_pieces_raise_is_raised(host: Host, folder: str) -> None:
    def breaking() -> Iterator[bytes]:
        yield b"half"
        raise TransientError("the source broke", "try again")

    with pytest.raises(TransientError, match="source broke"):
        host.write_pieces(f"{folder}/file", breaking(), **told(b"half and half"))
    assert host.read_file(f"{folder}/file") is None


def test_who_takes_the_pieces_may_end_it(host: Host, folder: str) -> None:
    host.write_file(f"{folder}/file", b"x" * 3_000_000)

    def full(piece: bytes) -> None:
        raise TransientError(f"no room for {len(piece)} bytes", "make some")

    with pytest.raises(TransientError, match="no room"):
        host.read_pieces(f"{folder}/file", full)
    assert host.run(Call(("true",))).ok
