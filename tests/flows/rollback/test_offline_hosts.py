"""An offline rollback over several hosts: what each ends with when one of them does not play along."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from blocks.values.facts import ContainerFact, HostFacts
from blocks.values.lifecycle import Kind, Status
from blocks.values.manifests import Manifest
from blocks.values.offline import HostMemory, LiveRelease, OfflineRollback
from flows.domain.rollback.offline import OfflinePlan
from flows.rollback.offline_execute import go_back
from flows.rollback.offline_hosts import OfflineRequest, OfflineSite, PreparedRollback, left_out_of, site_of
from tasks.adapters.local import LocalRunner
from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.protocols import Call, Fence, Result
from tests.fakes.host import FakeHost
from tests.flows.domain.rollback.test_offline import manifest
from tests.flows.domain.samples import NOW
from tests.flows.servers import LIVE, NEW, OLD, current, failing, only_for, server, started, stopped
from tests.samples.runs import APP
from tests.tasks.services.test_rescue import rescue


def prepared(hosts: list[FakeHost], *, fence: int = 5) -> PreparedRollback:
    memories = {
        host.name: HostMemory(current="bbbb", fence=fence, live=LIVE, manifests={"aaaa": OLD, "bbbb": NEW})
        for host in hosts
    }
    policy = rescue().policy.model_copy(update={"smoke": ()})
    site = OfflineSite(
        pipeline="shop",
        policy=policy,
        hosts={host.name: host for host in hosts},
        directories=dict.fromkeys((host.name for host in hosts), APP),
        local=LocalRunner(),
        secrets={},
    )
    plan = OfflinePlan(target=OLD, left=NEW, reason="proven")
    return PreparedRollback(site, OfflineRequest("", "ana@laptop", "down"), plan, memories, ("careful",))


@pytest.fixture
def hosts() -> list[FakeHost]:
    return [server("web-1"), server("web-2")]


def ended(hosts: list[FakeHost], ready: PreparedRollback | None = None) -> OfflineRollback:
    """Go back; every host must have the same record."""
    record = go_back(ready or prepared(hosts), lambda _line: None)
    path = f"{APP}/offline/{record.id}.json"
    assert [OfflineRollback.from_json(host.files[path]) for host in hosts] == [record] * len(hosts)
    return record


def newest(host: FakeHost) -> LiveRelease:
    return LiveRelease.from_json(host.files[f"{APP}/live.jsonl"].splitlines()[-1])


def test_all_hosts_go_back_and_remember_it(hosts: list[FakeHost]) -> None:
    record = ended(hosts)
    assert (record.outcome, record.hosts, record.who) == (Status.SUCCEEDED, ("web-1", "web-2"), "ana@laptop")
    assert current(hosts) == ["releases/aaaa"] * 2
    for host in hosts:
        line = newest(host)
        assert (line.release_id, line.kind, line.held) == ("aaaa", Kind.ROLLBACK, ("bbbb",))
        assert host.fences[APP] == record.token


def test_the_fence_goes_above_every_hosts(hosts: list[FakeHost]) -> None:
    far = int((NOW + timedelta(days=3650)).timestamp())
    ready = prepared(hosts)
    above = ready.memories["web-2"].model_copy(update={"fence": far})
    ready = PreparedRollback(ready.site, ready.asked, ready.plan, {**ready.memories, "web-2": above}, ())
    assert ended(hosts, ready).token == far + 1


def test_where_one_host_fails_both_run_what_ran_before(hosts: list[FakeHost]) -> None:
    only_for(hosts[1], "aaaa", failing)
    record = ended(hosts)
    assert record.outcome is Status.RESTORED
    assert "no such image" in record.message
    assert "bbbb runs again on web-1, bbbb runs again on web-2" in record.message
    assert current(hosts) == ["releases/bbbb"] * 2
    assert newest(hosts[0]).release_id == "bbbb"


def test_a_host_that_was_not_reached_yet_is_not_touched(hosts: list[FakeHost]) -> None:
    only_for(hosts[0], "aaaa", failing)
    assert ended(hosts).outcome is Status.RESTORED
    assert current(hosts) == ["releases/bbbb", "untouched"]


def test_where_nothing_comes_up_a_person_is_needed(hosts: list[FakeHost]) -> None:
    hosts[0].answer("docker", "compose", "up", exit_code=1, stderr="no space left")
    record = ended(hosts)
    assert record.outcome is Status.BROKEN
    assert "then restoring failed" in record.message


def test_every_host_that_was_switched_is_started_again_though_the_first_does_not_come_back() -> None:
    hosts = [server("web-1"), server("web-2"), server("web-3")]
    only_for(hosts[2], "aaaa", failing)
    only_for(hosts[0], "bbbb", failing)
    record = ended(hosts)
    assert (record.outcome, current(hosts)) == (Status.BROKEN, ["releases/bbbb"] * 3)
    assert "then restoring failed on web-1: up: bbbb does not start on web-1" in record.message
    assert "(bbbb runs again on web-2, bbbb runs again on web-3)" in record.message


def test_what_an_engine_took_with_it_is_started_on_a_host_that_was_not_reached(hosts: list[FakeHost]) -> None:
    facts = HostFacts(
        host="web-2",
        manifest=NEW,
        env_file=None,
        containers=(ContainerFact(id="backend", service="backend", image="i", status="running"),),
    )
    only_for(hosts[0], "aaaa", failing)
    stopped(hosts[1])
    record = ended(hosts, replace(prepared(hosts), facts={"web-2": facts}))
    assert record.outcome is Status.RESTORED
    assert "backend had stopped on web-2 and were started again" in record.message
    assert [len(started(host)) for host in hosts] == [1, 1]


def test_what_an_engine_took_with_it_before_anything_was_switched_is_started(
    hosts: list[FakeHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = HostFacts(
        host="web-1",
        manifest=NEW,
        env_file=None,
        containers=(ContainerFact(id="backend", service="backend", image="i", status="running"),),
    )
    ready = replace(prepared(hosts), facts={"web-1": facts})
    stopped(hosts[0])

    def down(_: Fence) -> None:
        raise TransientError("web-2 does not answer", "look at it")

    monkeypatch.setattr(hosts[1], "raise_fence", down)
    record = ended(hosts, ready)
    assert record.outcome is Status.FAILED
    assert "(backend had stopped on web-1 and were started again)" in record.message


def test_a_fence_that_cannot_be_raised_leaves_everything_alone(hosts: list[FakeHost]) -> None:
    hosts[1].fences[APP] = 10**12
    record = ended(hosts)
    assert record.outcome is Status.ABANDONED
    assert current(hosts) == ["untouched"] * 2


def test_whoever_is_fenced_off_meanwhile_changes_nothing_more(hosts: list[FakeHost]) -> None:
    def taken_over(call: Call) -> Result:
        hosts[1].raise_fence(Fence(APP, 10**12))
        return Result(call.argv, 0, "", "", 0.1)

    only_for(hosts[0], "aaaa", taken_over)
    record = ended(hosts)
    assert record.outcome is Status.ABANDONED
    assert current(hosts) == ["releases/aaaa", "untouched"]


def test_a_host_without_memory_is_not_given_half_of_it(hosts: list[FakeHost]) -> None:
    ready = prepared(hosts)
    blank = {name: one.model_copy(update={"live": ()}) for name, one in ready.memories.items()}
    for host in hosts:
        del host.files[f"{APP}/live.jsonl"]
    assert (
        ended(hosts, PreparedRollback(ready.site, ready.asked, ready.plan, blank, ())).outcome
        is Status.SUCCEEDED
    )
    assert f"{APP}/live.jsonl" not in hosts[0].files


def test_a_host_that_ran_something_else_gets_that_back(hosts: list[FakeHost]) -> None:
    other: Manifest = manifest("cccc", "m1")
    ready = prepared(hosts)
    kept = {"aaaa": OLD, "cccc": other}
    odd = ready.memories["web-2"].model_copy(update={"current": "cccc", "manifests": kept})
    only_for(hosts[1], "aaaa", failing)
    record = ended(
        hosts, PreparedRollback(ready.site, ready.asked, ready.plan, {**ready.memories, "web-2": odd}, ())
    )
    assert record.outcome is Status.RESTORED
    assert current(hosts) == ["releases/bbbb", "releases/cccc"]


def test_checks_that_need_a_checkout_are_left_out_and_said_so() -> None:
    site = site_of(rescue(), ("web-2",))
    assert [type(check).__name__ for check in site.policy.smoke] == ["HttpCheck"]
    assert left_out_of(rescue(), site) == (
        "smoke check skipped, it needs a checkout of the commit: python check.py",
        "host left out: web-2",
    )


def test_secrets_come_from_the_file_alone() -> None:
    site = site_of(rescue(), ())
    assert site.secret("smoke-key") == "s3cret"
    with pytest.raises(TerminalError, match="no value of secret/other"):
        site.secret("other")
    with pytest.raises(RuntimeError, match="before the fence was raised"):
        site.fence("web-1")
