"""What the doctor says of an environment's dumps."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from blocks.values.facts import Readiness
from deployments.doctor import backups
from deployments.doctor.backups import _missing, _newest, _room
from tasks.host.retention import Dump, History, StoredDump
from tasks.kernel.clock import utc_now
from tests.fakes.host import FakeHost

POLICY: Any = SimpleNamespace(name="prod", pipeline="shop", backup=SimpleNamespace(built_in=True))


def dump(name: str, *, good: bool = True, drilled: bool = False, hours: float = 2) -> Dump:
    taken = utc_now() - timedelta(hours=hours)
    return Dump(name=name, taken_at=taken, good=good, drilled=drilled)


def history(*bytes_of_dumps: int) -> History:
    recorded: Any = [SimpleNamespace(receipt=SimpleNamespace(bytes=size)) for size in bytes_of_dumps]
    return History(recorded=recorded)


def said(monkeypatch: pytest.MonkeyPatch, dumps: list[Dump], of: History) -> tuple[str, str]:
    monkeypatch.setattr(backups, "known_dumps", lambda *_, **__: dumps)
    stored = tuple(StoredDump(one.name, 5_000_000, receipt=True) for one in dumps)
    found = _newest("backups prod", "web-1", stored, of, POLICY)
    return found.level, found.what


def test_no_dump_yet_is_fine_and_none_that_is_good_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    level, what = said(monkeypatch, [], history())
    assert (level, what.startswith("web-1 has no dump yet")) == ("ok", True)
    assert said(monkeypatch, [], history(1)) == ("warn", "web-1 has 0 dumps, and none is known to be good")
    assert said(monkeypatch, [dump("a", good=False)], history())[0] == "warn"


def test_the_newest_good_dump_is_named_with_its_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    dumps = [dump("b"), dump("a", drilled=True, hours=48)]
    level, what = said(monkeypatch, dumps, history(1))
    assert level == "ok"
    assert what.startswith("2 good dumps on web-1, the newest ")
    assert "the newest proven by a drill" in what
    assert said(monkeypatch, [dump("b")], history(1))[1].endswith("none proven by a drill")


@pytest.mark.parametrize(("free", "warnings"), [(19, 1), (20, 0)])
def test_room_for_two_more_dumps_is_needed(monkeypatch: pytest.MonkeyPatch, free: int, warnings: int) -> None:
    facts = Readiness(engine="27", compose="2.29", free_bytes=free)
    monkeypatch.setattr(backups, "read_readiness", lambda *_: facts)
    assert len(list(_room("backups prod", FakeHost(), "/srv/shop", history(10)))) == warnings
    assert list(_room("backups prod", FakeHost(), "/srv/shop", history())) == []


def test_a_place_without_the_newest_dump_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "file_name", lambda _: "prod-2.dump")
    place: Any = SimpleNamespace(name="s3")
    (found,) = _missing("copies prod", place, {"prod-1.dump"}, history(10))
    assert found.what == "s3 has no copy of the newest dump, prod-2.dump"
    assert list(_missing("copies prod", place, {"prod-2.dump"}, history(10))) == []
    assert list(_missing("copies prod", place, set(), history())) == []
