"""A release's archive with some of its members left out."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from pathlib import Path

from tasks.kernel.archive import LISTED, Packer, list_of
from tests.tasks.packing import whole

ODD = os.fsdecode(b"data/caf\xe9\n" + b"x" * 120)


def test_what_is_left_out_is_nowhere_and_the_rest_is_as_it_was() -> None:
    with Packer(Path(tempfile.gettempdir()), 7) as packer:
        for path in ("a", "a/b", ODD, "gone"):
            packer.add_file(path, 3, io.BytesIO(b"one"), executable=path == "a/b")
        packer.add_link("link", "a")
        packer.add_link("gone link", "a")
        archive = packer.archive().with_files({"own": b"1", "gone own": b"2"})
    left = archive.without({"gone", "gone link", "gone own", "not there"})
    content = io.BytesIO(whole(left))
    with tarfile.open(fileobj=content, encoding="utf-8", errors="surrogateescape") as members:
        assert members.getnames() == ["a", "a/b", ODD, "link", "own", LISTED]
        assert [members.getmember("a/b").mode, members.getmember(ODD).mtime] == [0o755, 7]
        read = members.extractfile(LISTED)
        assert read is not None
        assert read.read() == list_of(left.checksums)
    assert (set(left.checksums), left.links) == ({"a", "a/b", ODD, "own"}, {"link": "a"})
    assert len(whole(left)) == left.size
    # The one it was made of is as before, also to others who read it.
    assert len(whole(archive)) == archive.size
    assert not left.without({"a", "a/b", ODD, "link", "own"}).checksums
