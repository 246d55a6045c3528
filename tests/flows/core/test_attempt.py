"""What becomes of a change that fails: three hosts in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from blocks.values.lifecycle import Status
from flows.core.attempt import Fallback, attempt, restore, revive
from tasks.kernel.errors import FencedError, RefusedError, SluiceError, TerminalError, TransientError

HOSTS = ("web-1", "web-2", "web-3")


@dataclass
class FakeFallback(Fallback):
    """What ran before, in memory.

    Attributes:
        begun: The hosts that were switched.
        release_id: What ran before.
        stopped: Host → the service that stopped there meanwhile.
        errors: What is done, on which host → what it raises.
        done: What was done, in turn.
    """

    begun: tuple[str, ...] = ()
    release_id: str | None = "r1"
    stopped: dict[str, str] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    environment = "prod"
    names = HOSTS

    def switched(self) -> tuple[str, ...]:
        return self.begun

    def begin(self, cause: str) -> None:
        self._do(f"begin {cause}")

    def prepare(self) -> None:
        self._do("prepare")

    def restore(self, host: str) -> str:
        self._do(f"restore {host}")
        return ""

    def revive(self, host: str) -> str:
        self._do(f"revive {host}")
        return f"{self.stopped[host]} had stopped on {host}" if host in self.stopped else ""

    def stop(self, host: str) -> None:
        self._do(f"stop {host}")

    def _do(self, what: str) -> None:
        self.done.append(what)
        if what in self.errors:
            raise self.errors[what]


def failing(error: Exception) -> str:
    raise error


def ended(fallback: Fallback, error: Exception) -> tuple[Status, str]:
    ending = attempt(lambda: failing(error), fallback)
    return ending.status, ending.message


def each(what: str) -> list[str]:
    return [f"{what} {host}" for host in HOSTS]


def test_what_works_ends_with_its_line() -> None:
    before = FakeFallback(begun=HOSTS)
    assert attempt(lambda: "r2 runs", before).model_dump() == {"status": "succeeded", "message": "r2 runs"}
    assert before.done == []


def test_who_is_fenced_off_touches_nothing_more() -> None:
    before = FakeFallback(begun=HOSTS)
    assert ended(before, FencedError("taken over")) == (Status.ABANDONED, "taken over")
    assert before.done == []


@pytest.mark.parametrize(
    ("error", "status"), [(RefusedError("no space"), Status.REFUSED), (TransientError("away"), Status.FAILED)]
)
def test_before_the_switch_only_what_stopped_is_started(error: SluiceError, status: Status) -> None:
    before = FakeFallback()
    assert ended(before, error) == (status, f"{error} (r1 still runs in prod)")
    assert before.done == each("revive")
    before = FakeFallback(stopped={"web-2": "db"}, errors={"revive web-1": TerminalError("web-1 is dead")})
    assert ended(before, error) == (status, f"{error} (db had stopped on web-2; web-1 is dead)")
    assert before.done == each("revive")


def test_where_nothing_ran_before_every_host_is_stopped() -> None:
    before = FakeFallback(begun=HOSTS, release_id=None, errors={"stop web-1": TerminalError("down")})
    status, message = ended(before, TerminalError("red"))
    assert (status, before.done) == (Status.FAILED, each("stop"))
    assert message == "red (nothing ran before in prod, so there is nothing to go back to; down)"


def test_after_the_switch_every_host_is_started_again() -> None:
    before = FakeFallback(begun=HOSTS)
    assert ended(before, TerminalError("red")) == (Status.RESTORED, "red")
    assert before.done == ["begin red", "prepare", *each("restore")]


def test_a_host_that_does_not_come_back_keeps_no_other_from_it() -> None:
    before = FakeFallback(
        begun=HOSTS,
        errors={"restore web-1": TerminalError("no image"), "restore web-3": RuntimeError("odd")},
    )
    status, message = ended(before, TerminalError("red"))
    assert (status, before.done[2:]) == (Status.BROKEN, each("restore"))
    assert message.startswith("red; then restoring failed on web-1, web-3: no image; unexpected RuntimeError")


def test_hosts_that_were_not_reached_get_back_what_stopped() -> None:
    before = FakeFallback(begun=("web-1",), stopped={"web-3": "db"})
    assert ended(before, TerminalError("red")) == (Status.RESTORED, "red (db had stopped on web-3)")
    assert before.done[2:] == ["restore web-1", "revive web-2", "revive web-3"]


def test_who_is_fenced_off_on_the_way_back_touches_no_further_host() -> None:
    before = FakeFallback(begun=HOSTS, errors={"restore web-2": FencedError("taken over")})
    assert ended(before, TerminalError("red")) == (Status.ABANDONED, "red; then taken over")
    assert before.done[2:] == ["restore web-1", "restore web-2"]


def test_where_the_hosts_share_something_that_cannot_be_put_back_none_is_started() -> None:
    before = FakeFallback(begun=HOSTS, errors={"prepare": TerminalError("put back: no")})
    status, message = ended(before, TerminalError("red"))
    assert (status, before.done[1:]) == (Status.BROKEN, ["prepare"])
    assert message == "red; then restoring failed on every host: put back: no"


def test_what_nobody_foresaw_goes_back_like_any_failure() -> None:
    status, message = ended(FakeFallback(begun=HOSTS), KeyError("x"))
    assert status is Status.RESTORED
    assert message.startswith("unexpected KeyError: 'x'")


def test_a_run_that_was_cut_on_its_way_back_goes_on() -> None:
    before = FakeFallback(begun=HOSTS)
    assert restore(before, "it was cut").status is Status.RESTORED
    assert before.done == ["prepare", *each("restore")]


def test_reviving_alone_says_what_it_did() -> None:
    assert revive(FakeFallback()) == ""
    assert revive(FakeFallback(stopped={"web-1": "db"})) == "db had stopped on web-1"
