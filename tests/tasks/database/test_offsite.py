"""Second copies: carried from a host to a host and to a folder, checked on arrival, never half there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from uuid import uuid4

import pytest

from blocks.values.receipts import BackupReceipt
from tasks.adapters.url_folder import UrlFolder
from tasks.database.offsite import DumpStore, HostPlace, UrlPlace, copy_dump
from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.protocols import Limits
from tests.fakes.host import FakeHost
from tests.tasks.ledger.samples import make_backup

CONTENT = os.urandom(1_000_000)
PATH = "/app/backups/prod-20261120T053300Z-before-x.dump"
NAME = "prod-20261120T053300Z-before-x.dump"
COPIES = "/backup/shop/copies/prod"


def receipt(content: bytes = CONTENT) -> BackupReceipt:
    checksum = hashlib.sha256(content).hexdigest()
    return make_backup(PATH).model_copy(update={"bytes": len(content), "sha256": checksum})


@pytest.fixture
def source() -> FakeHost:
    host = FakeHost("prod")
    host.write_file(PATH, CONTENT)
    return host


def read(place: DumpStore, name: str) -> bytes | None:
    if isinstance(place, HostPlace):
        return place.host.read_file(f"{place.directory}/{name}")
    assert isinstance(place, UrlPlace)
    path = Path(place.name.removeprefix("file://")) / name
    return path.read_bytes() if path.exists() else None


@pytest.fixture(params=["host", "url"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> DumpStore:
    if request.param == "host":
        return HostPlace(FakeHost("offsite"), COPIES, Limits())
    return UrlPlace(UrlFolder(f"file://{tmp_path}/copies"))


def test_a_copy_is_the_dump_with_its_receipt(source: FakeHost, place: DumpStore) -> None:
    where = copy_dump(source, place, receipt(), seconds=60)
    assert where.endswith(f"/{NAME}")
    assert where.startswith(("offsite:/backup", "file:///"))
    assert read(place, NAME) == CONTENT
    assert BackupReceipt.from_json(read(place, f"{NAME}.json") or b"") == receipt()


def test_a_dump_that_changed_since_is_not_copied(source: FakeHost, place: DumpStore) -> None:
    source.write_file(PATH, CONTENT[:-1] + b"!")
    with pytest.raises(TerminalError, match=f"{PATH} on prod is not what was dumped"):
        copy_dump(source, place, receipt(), seconds=60)
    assert read(place, f"{NAME}.json") is None


def test_a_dump_that_is_gone_is_told(source: FakeHost, place: DumpStore) -> None:
    source.files.clear()
    with pytest.raises(TerminalError, match=f"no file {PATH} on prod"):
        copy_dump(source, place, receipt(), seconds=60)
    assert read(place, f"{NAME}.json") is None


def test_a_store_that_loses_bytes_is_found_out(source: FakeHost) -> None:
    class Losing(UrlFolder):
        def check(self, name: str, *arguments: object) -> tuple[int, str]:
            del name, arguments
            return 999_999, "0" * 64

    folder = Losing(f"memory://{uuid4().hex}")
    with pytest.raises(TerminalError, match="is not the dump: 999999 of 1000000 bytes"):
        copy_dump(source, UrlPlace(folder), receipt(), seconds=60)
    assert [(one.name, one.receipt) for one in folder.list()] == [(NAME, False)]


def test_a_host_that_refuses_ends_the_copy(source: FakeHost) -> None:
    class Full(FakeHost):
        def write_pieces(self, path: str, *_: object, **__: object) -> None:
            raise TransientError(f"cannot write {path}", "make room")

    with pytest.raises(TransientError, match="cannot write"):
        copy_dump(source, HostPlace(Full("offsite"), COPIES, Limits()), receipt(), seconds=60)
