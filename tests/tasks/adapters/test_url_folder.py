"""A folder that fsspec reaches: a disk, a store in memory, and one that fails as stores do."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec  # type: ignore[import-untyped]
import pytest
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from tasks.adapters.url_folder import UrlFolder, parse_options, public_url
from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.redact import process_redactor


@pytest.fixture(params=["file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"file://{tmp_path}/it's/deep" if request.param == "file" else f"memory://{uuid4().hex}/deep"


def pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 1000):
        yield content[start : start + 1000]


def test_what_is_written_is_read_back(url: str) -> None:
    content, touched = os.urandom(3_000_000), [0]

    def touch() -> None:
        touched[0] += 1

    folder = UrlFolder(f"{url}/")
    folder.write("a.dump", pieces(content), touch)
    assert touched[0] == 3000
    assert folder.check("a.dump") == (len(content), hashlib.sha256(content).hexdigest())


def test_dumps_are_listed_with_their_receipts_and_removed(url: str) -> None:
    folder = UrlFolder(url)
    assert folder.list() == ()
    for name in ("a.dump", "a.dump.json", "b.dump", "other.txt"):
        folder.write(name, (b"12345",))
    found = {(one.name, one.bytes, one.receipt) for one in folder.list()}
    assert found == {("a.dump", 5, True), ("b.dump", 5, False)}
    for _ in range(2):
        folder.remove(("a.dump.json", "a.dump"))
    assert [one.name for one in folder.list()] == ["b.dump"]


def test_a_file_is_replaced_whole(url: str) -> None:
    folder = UrlFolder(url)
    folder.write("a.dump", (b"longer than the next",))
    folder.write("a.dump", (b"short",))
    assert folder.check("a.dump") == (5, hashlib.sha256(b"short").hexdigest())


def test_a_folder_is_tried_and_left_as_it_was(url: str) -> None:
    folder = UrlFolder(url)
    folder.probe()
    assert folder.list() == ()
    with pytest.raises(TerminalError, match="reading .sluice-doctor back"):
        folder.check(".sluice-doctor")


def test_on_a_disk_only_its_owner_reads_it(tmp_path: Path) -> None:
    UrlFolder(f"file://{tmp_path}/deep/er").write("a.dump", (b"secret",))
    assert (tmp_path / "deep/er/a.dump").stat().st_mode & 0o077 == 0
    assert (tmp_path / "deep/er").stat().st_mode & 0o077 == 0


def test_a_disk_that_is_full_is_told() -> None:
    with pytest.raises(TransientError, match=r"writing full in file:///dev failed: .*[Nn]o space left"):
        UrlFolder("file:///dev").write("full", (b"x" * 100_000,))


class Refusing(MemoryFileSystem):  # type: ignore[misc]
    """A store whose key may read and not write, and which answers with what it was sent."""

    protocol = "refusing"

    def __init__(self, secret: str = "", **options: Any) -> None:
        super().__init__(**options)
        self.secret = secret

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode != "rb":
            raise PermissionError(f"AccessDenied for key {self.secret}\nrequest 17")
        return super()._open(path, mode, **options)


def test_a_refusal_is_final_and_in_one_line_without_the_key() -> None:
    fsspec.register_implementation("refusing", Refusing, clobber=True)
    folder = UrlFolder("refusing://dumps", parse_options('{"secret": "hunter2-key"}', "offsite"))
    with pytest.raises(
        TerminalError, match="writing a.dump in refusing://dumps failed: AccessDenied"
    ) as error:
        folder.write("a.dump", (b"x",))
    assert "hunter2-key" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nothing-like-it://x", "nothing-like-it://x cannot be used: Protocol not known"),
        ("s3://bucket/dumps", "install that package"),
    ],
)
def test_an_address_that_cannot_be_used(url: str, said: str) -> None:
    with pytest.raises(TerminalError, match=said):
        UrlFolder(url)


@pytest.mark.parametrize("text", ["", "[]", "key=value", '"text"'])
def test_options_that_are_none(text: str) -> None:
    with pytest.raises(TerminalError, match="the secret offsite is not a JSON object"):
        parse_options(text, "offsite")


def test_every_text_in_the_options_is_redacted() -> None:
    text = '{"key": "AKIA-one", "client_kwargs": {"list": [{"token": "tok-two"}]}, "port": 9}'
    assert parse_options(text, "offsite")["port"] == 9
    assert process_redactor().text("AKIA-one tok-two") == "••• •••"


def test_an_address_is_shown_without_its_login() -> None:
    assert public_url("sftp://me:hunter2@host:22/dumps?x=1#y") == "sftp://host:22/dumps"
