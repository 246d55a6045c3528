"""From a stored delivery to a flow run on a real Prefect server: once, in order, through outages and deaths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL

from blocks.git_repository import GitRepository
from blocks.github_webhooks import GitHubWebhooks
from blocks.settings import Settings
from blocks.values.deliveries import DeliveryStatus
from deployments.control_plane.prefect_api import PrefectApi
from deployments.webhook.applications import Applications, Blocks
from deployments.webhook.dispatcher import Dispatcher
from deployments.webhook.metrics import Metrics
from deployments.webhook.missed import MissedPushes
from tasks.kernel.errors import TerminalError, TransientError
from tasks.ledger.store import Ledger
from tests.deployments.webhook.prefect_server import deploy, gate_to, runs_of
from tests.deployments.webhook.sender import BLOCK, OLD_SECRET, REPOSITORY, SECRET
from tests.deployments.webhook.shop import TRIGGERS
from tests.deployments.webhook.world import World
from tests.lab.plane import LabPlane
from tests.lab.repository import Repository
from tests.lab.shell import wait_until

GUARDED = "tags: v*\n    approvals: {approvers: ana}"
PULL_REQUESTS = f"""\
{TRIGGERS.replace("tags: v*", GUARDED)}
pull_requests:
  open: [{{branches: [feature/*, fix/*], into: main}}]
  auto_merge: [{{into: main, authors: ana, paths: docs/**}}]
"""


@pytest.fixture(scope="module")
def api(prefect_server: LabPlane) -> str:
    """The deployments of three environments on a real Prefect server; returns its API's address."""
    del prefect_server
    url = str(PREFECT_API_URL.value())
    deploy(url)
    BLOCK.save("default", overwrite=True)
    return url


@pytest.fixture
def world(api: str, ledger: Ledger, tmp_path: Path) -> Iterator[World]:
    shop = Repository.with_pipeline(tmp_path / "shop", TRIGGERS)
    GitRepository(url=str(shop.path)).save("default", overwrite=True)
    with gate_to(api) as gate:
        yield World(shop, ledger, gate, Settings(home=tmp_path / "home"))


def test_a_push_starts_its_environments_and_can_be_traced(world: World) -> None:
    sha = world.shop.commit()
    delivery = world.push(sha)
    world.turn()
    assert world.runs() == [(f"{delivery}:promote/feature", sha), (f"{delivery}:promote/staging", sha)]
    run = runs_of(world.gate.target)[-1]
    assert f"delivery:{delivery}" in run["tags"]
    assert run["parameters"] == {
        "environment": "staging",
        "ref": sha,
        "source": "default",
        "requested_by": "ana",
    }
    assert world.status(delivery) == (DeliveryStatus.STARTED, "push to main")
    assert world.ledger.starts.of([world.row(delivery).id])[-1].flow_run_id == run["id"]
    world.turn(60)
    assert len(world.runs()) == 2


def test_push_and_merge_of_one_commit_are_one_run(world: World) -> None:
    sha = world.shop.commit()
    world.push(sha)
    merge = world.deliver("pull_request_merged", pull_request__merge_commit_sha=sha)
    world.turn()
    assert [key.partition(":")[2] for key, _ in world.runs()] == ["promote/feature", "promote/staging"]
    assert world.status(merge)[0] is DeliveryStatus.FOLDED


def test_answers_go_first_and_a_load_that_never_ends_stops_no_run(world: World) -> None:
    # Once for the decision, and once for each of the two runs.
    waiting, asked = [True, True], 0

    def busy() -> bool:
        nonlocal asked
        asked += 1
        return waiting.pop() if waiting else False

    world.dispatcher = world.born(busy)
    world.push(world.shop.commit())
    world.turn()
    assert (len(world.runs()), asked) == (2, 5)
    world.dispatcher = world.born(lambda: True)
    world.push(world.shop.commit())
    world.turn()
    assert len(world.runs()) == 4


def test_of_several_pushes_only_the_newest_starts(world: World) -> None:
    first, second = world.shop.commit(), world.shop.commit()
    older, newer = world.push(first), world.push(second)
    world.turn()
    assert {ref for _, ref in world.runs()} == {second}
    assert world.status(older)[0] is DeliveryStatus.FOLDED
    assert world.status(newer)[0] is DeliveryStatus.STARTED


def test_a_bots_merge_of_a_persons_pull_request_starts_what_a_push_does(world: World) -> None:
    bot = {"login": "x[bot]", "type": "Bot"}
    sha = world.shop.commit()
    push = world.push(sha, sender=bot)
    merge = world.deliver("pull_request_merged", pull_request__merge_commit_sha=sha, sender=bot)
    world.turn()
    assert world.status(push) == (DeliveryStatus.IGNORED, "x[bot] is a bot")
    assert (f"{merge}:promote/staging", sha) in world.runs()


def test_checks_of_what_a_bot_merged_for_a_person_start_what_waits_for_them(world: World) -> None:
    bot = {"login": "x[bot]", "type": "Bot"}
    waiting = TRIGGERS.replace("events: [push, merge]", "events: workflow_run, workflows: CI")
    sha = world.shop.change_pipeline(waiting)
    world.push(sha, sender=bot)
    green = {"workflow_run__head_sha": sha, "workflow_run__actor": bot}
    alone = world.deliver("workflow_run_completed", **green)
    world.turn()
    assert world.status(alone) == (DeliveryStatus.IGNORED, "x[bot] is a bot")
    world.deliver("pull_request_merged", pull_request__merge_commit_sha=sha, sender=bot)
    known = world.deliver("workflow_run_completed", **green, workflow_run__run_attempt=2)
    world.turn()
    assert (f"{known}:promote/staging", sha) in world.runs()


def test_a_tag_a_comment_and_a_rollback(world: World) -> None:
    sha = world.shop.tag("v1.4.0")
    tag = world.deliver("push_annotated_tag", head_commit__id=sha)
    back = world.deliver("issue_comment_rollback")
    bot = world.push(sha, sender={"login": "x[bot]", "type": "Bot"})
    world.turn()
    assert world.runs() == [(f"{tag}:promote/prod", "v1.4.0"), (f"{back}:rollback/prod", "")]
    assert world.status(bot) == (DeliveryStatus.IGNORED, "x[bot] is a bot")
    world.deliver("pull_request_opened", pull_request__head__sha=sha)
    world.deliver("issue_comment_promote")
    world.turn()
    assert world.runs()[-1][1] == sha


@pytest.mark.parametrize("mode", ["down", "lost"])
def test_an_outage_loses_and_doubles_nothing(world: World, mode: str) -> None:
    first = world.shop.commit()
    older = world.push(first)
    world.turn()
    done = len(world.runs())
    world.gate.mode = mode
    second = world.shop.commit()
    middle = world.push(second)
    world.turn()
    assert world.status(middle)[0] is DeliveryStatus.ACCEPTED
    third = world.shop.commit()
    newest = world.push(third)
    for _ in range(8):
        world.turn(5)
    world.gate.mode = "open"
    world.turn(120)
    assert world.status(older)[0] is world.status(newest)[0] is DeliveryStatus.STARTED
    # What Prefect took without saying so is not counted as started, and its place was taken by the newer one.
    assert world.status(middle) == (DeliveryStatus.FOLDED, f"superseded by delivery {newest}")
    assert [ref for _, ref in world.runs() if ref == third] == [third, third]
    assert mode == "lost" or len(world.runs()) == done + 2


def test_an_outage_is_not_asked_about_all_the_time(world: World) -> None:
    world.push(world.shop.commit())
    world.turn()
    world.gate.mode = "down"
    world.push(world.shop.commit())
    world.gate.asked.clear()
    for _ in range(100):
        world.turn(1)
    asked = [path for path in world.gate.asked if "/deployments/name/" in path]
    assert 5 < len(asked) < 20
    attempts = {one.attempts for one in world.ledger.starts.pending()}
    assert min(attempts) > 3


def test_what_was_stored_before_it_died_is_started_after(world: World) -> None:
    sha = world.shop.commit()
    delivery = world.push(sha)
    world.gate.mode = "down"
    world.dispatcher = world.born()
    world.turn()
    assert world.status(delivery)[0] in {DeliveryStatus.RECEIVED, DeliveryStatus.ACCEPTED}
    world.gate.mode = "open"
    world.dispatcher = world.born()
    world.turn()
    assert world.status(delivery)[0] is DeliveryStatus.STARTED
    assert len(world.runs()) == 2


def test_it_died_after_prefect_took_the_run(world: World) -> None:
    delivery = world.push(world.shop.commit())
    world.turn()
    world.gate.mode = "lost"
    world.ledger.deliveries.replay(delivery, world.now)
    world.turn()
    world.gate.mode = "open"
    world.dispatcher = world.born()
    world.turn()
    assert world.status(delivery)[0] is DeliveryStatus.STARTED
    assert [key for key, _ in world.runs()] == [
        f"{delivery}:promote/{name}{again}" for again in ("", ":replay-1") for name in ("feature", "staging")
    ]


def test_a_deployment_that_is_missing_is_told_and_stops_no_other(world: World) -> None:
    world.shop.change_pipeline(TRIGGERS.replace("  feature:", "  moon:"))
    sha = world.shop.commit()
    delivery = world.push(sha)
    world.turn()
    status, reason = world.status(delivery)
    assert status is DeliveryStatus.FAILED
    assert reason.startswith(f"no deployment promote/moon at {world.gate.url}")
    assert [ref for _, ref in world.runs()] == [sha]


def test_a_pipeline_that_cannot_be_read_is_told_and_can_be_replayed(world: World) -> None:
    delivery = world.push(world.shop.change_pipeline("pipeline: [\n"))
    world.turn()
    status, reason = world.status(delivery)
    assert status is DeliveryStatus.FAILED
    assert "pipeline.yaml:" in reason
    sha = world.shop.change_pipeline(TRIGGERS)
    replayed = world.push(sha)
    world.ledger.deliveries.replay(delivery, world.now)
    world.turn()
    assert world.status(replayed)[0] is DeliveryStatus.STARTED
    assert world.status(delivery)[0] is DeliveryStatus.FOLDED


def test_a_repository_that_is_away_is_waited_for(world: World, tmp_path: Path) -> None:
    delivery = world.push(world.shop.commit())
    world.shop.path.rename(tmp_path / "away")
    GitRepository(url="https://127.0.0.1:9/shop.git").save("default", overwrite=True)
    world.turn()
    row = world.row(delivery)
    assert (row.status, row.attempts) == (DeliveryStatus.RECEIVED, 1)
    assert "127.0.0.1:9" in row.reason
    (tmp_path / "away").rename(world.shop.path)
    GitRepository(url=str(world.shop.path)).save("default", overwrite=True)
    world.turn(5)
    assert world.status(delivery)[0] is DeliveryStatus.STARTED


def test_a_commit_that_never_shows_is_given_up(world: World) -> None:
    delivery = world.push("d" * 40)
    for _ in range(12):
        world.turn(200)
    assert world.status(delivery) == (
        DeliveryStatus.FAILED,
        "commit ddddddd is not in the repository yet",
    )
    assert world.runs() == []


def test_a_commit_that_shows_late_is_started(world: World) -> None:
    sha = world.shop.commit()
    world.shop.git("update-ref", "refs/hidden/late", sha)
    world.shop.git("reset", "--quiet", "--hard", "HEAD~1")
    delivery = world.push(sha)
    world.turn()
    assert world.status(delivery)[0] is DeliveryStatus.RECEIVED
    world.shop.git("reset", "--quiet", "--hard", sha)
    world.turn(1)
    assert world.status(delivery)[0] is DeliveryStatus.RECEIVED
    world.turn(5)
    assert world.status(delivery)[0] is DeliveryStatus.STARTED


def test_a_delivery_of_another_version_is_told(world: World) -> None:
    delivery = world.push(world.shop.commit())
    with world.ledger._database.writing() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET facts = '{\"x\": 1}'")
    world.turn()
    assert "another version of Sluice" in world.status(delivery)[1]


def test_a_branch_cannot_give_itself_triggers(world: World) -> None:
    world.shop.git("switch", "--quiet", "--create", "feature/evil")
    sha = world.shop.change_pipeline(
        TRIGGERS.replace("tags: v*", "tags: v*\n    branches: feature/*").replace("tag,", "push,")
    )
    world.push(sha, "refs/heads/feature/evil")
    world.turn()
    assert [key.partition(":")[2] for key, _ in world.runs()] == ["promote/feature"]


def test_it_runs_by_itself_and_is_woken(world: World) -> None:
    api = PrefectApi(world.gate.url, tries=1)
    dispatcher = Dispatcher(world.ledger, world.applications, api, Metrics())
    dispatcher.start()
    delivery = world.push(world.shop.commit())
    dispatcher.wake()
    wait_until(lambda: world.status(delivery)[0] is DeliveryStatus.STARTED, "the run", seconds=120)
    assert dispatcher.alive()
    dispatcher.stop()
    assert not dispatcher.alive()


# --- pull requests ------------------------------------------------------------------------------------------


def test_pull_requests_are_looked_after_once_for_each_delivery(world: World) -> None:
    world.shop.change_pipeline(PULL_REQUESTS)
    world.shop.git("switch", "--quiet", "--create", "feature/cents")
    sha = world.shop.commit()
    push = world.push(sha, "refs/heads/feature/cents")
    world.turn()
    assert [key for key, _ in world.runs()] == [f"{push}:promote/feature", f"{push}:tend/pull-requests"]
    assert world.status(push) == (
        DeliveryStatus.STARTED,
        "push to feature/cents; pull requests of feature/cents",
    )
    opened = world.deliver("pull_request_opened", pull_request__head__sha=sha)
    bot = world.push(sha, "refs/heads/feature/cents", sender={"login": "sluice[bot]", "type": "Bot"})
    fork = world.deliver("pull_request_fork_opened")
    world.turn()
    assert [key for key, _ in world.runs()][2:] == [f"{opened}:tend/pull-requests"]
    assert world.status(opened) == (DeliveryStatus.STARTED, "pull requests of feature/cents")
    assert {world.status(one)[0] for one in (bot, fork)} == {DeliveryStatus.IGNORED}
    run = runs_of(world.gate.target)[-1]
    assert run["parameters"] == {"branch": "feature/cents", "source": "default", "requested_by": "ana"}
    assert f"delivery:{opened}" in run["tags"]
    world.turn(60)
    assert len(world.runs()) == 3


def test_a_branch_cannot_ask_for_its_own_pull_requests(world: World) -> None:
    world.shop.git("switch", "--quiet", "--create", "feature/cents")
    sha = world.shop.change_pipeline(PULL_REQUESTS)
    world.push(sha, "refs/heads/feature/cents")
    world.turn()
    assert [key.partition(":")[2] for key, _ in world.runs()] == ["promote/feature"]


def test_of_several_pushes_the_newest_has_its_pull_requests_looked_after(world: World) -> None:
    world.push(world.shop.change_pipeline(PULL_REQUESTS))
    world.turn()
    done = len(world.runs())
    world.shop.git("switch", "--quiet", "--create", "fix/cents")
    older = world.push(world.shop.commit(), "refs/heads/fix/cents")
    world.gate.mode = "down"
    world.turn()
    newer = world.push(world.shop.commit(), "refs/heads/fix/cents")
    world.turn()
    world.gate.mode = "open"
    world.turn(120)
    assert [key for key, _ in world.runs()][done:] == [f"{newer}:tend/pull-requests"]
    assert world.status(older) == (DeliveryStatus.FOLDED, f"superseded by delivery {newer}")


def test_a_push_that_was_missed_gets_its_pull_request(world: World) -> None:
    world.shop.change_pipeline(PULL_REQUESTS)
    watch = MissedPushes(world.ledger, world.applications, world.dispatcher.wake, lambda: world.now)
    watch.look()
    world.shop.git("switch", "--quiet", "--create", "fix/cents")
    sha = world.shop.commit()
    for _ in range(4):
        watch.look()
    world.turn()
    ((key, _),) = world.runs()
    assert key.startswith("missed-")
    assert key.endswith(":tend/pull-requests")
    (found,) = world.ledger.deliveries.pushes_to("ACME/shop", "refs/heads/fix/cents")
    assert (found.sha, found.event) == (sha, "missed")


# --- what GitHub failed to deliver ---------------------------------------------------------------------------


def test_what_github_failed_to_deliver_is_started_once(world: World) -> None:
    watch = MissedPushes(world.ledger, world.applications, world.dispatcher.wake, lambda: world.now)
    world.shop.tag("v0.9.0")
    watch.look()
    (baseline,) = world.ledger.deliveries.newest(9)
    assert baseline.reason == "2 branches and tags existed when Sluice began to listen"
    watch.look()
    sha = world.shop.commit()
    watch.look()
    assert len(world.ledger.deliveries.newest(9)) == 1
    watch.look()
    watch.look()
    world.turn()
    assert [ref for _, ref in world.runs()] == [sha, sha]
    late = world.push(sha)
    world.turn()
    assert world.status(late)[0] is DeliveryStatus.FOLDED
    again = MissedPushes(world.ledger, world.applications, world.dispatcher.wake, lambda: world.now)
    again.look()
    again.look()
    world.turn()
    assert len(world.runs()) == 2


def test_what_was_delivered_between_two_looks_was_not_missed(world: World) -> None:
    watch = MissedPushes(world.ledger, world.applications, world.dispatcher.wake, lambda: world.now)
    watch.look()
    sha = world.shop.commit()
    watch.look()
    world.push(sha)
    watch.look()
    assert {one.event for one in world.ledger.deliveries.newest(9)} == {"push", "baseline"}


# --- blocks -----------------------------------------------------------------------------------------------------


def test_a_changed_secret_is_read_and_an_outage_keeps_the_last(world: World) -> None:
    GitHubWebhooks(secrets=[SECRET], repositories={REPOSITORY: "default"}).save("default", overwrite=True)
    world.blocks.read_webhooks()
    assert world.blocks.webhooks is not None
    assert world.blocks.webhooks.keys() == (SECRET.encode(),)
    world.gate.mode = "down"
    with pytest.raises(TransientError):
        world.blocks.read_webhooks()
    assert world.blocks.webhooks.keys() == (SECRET.encode(),)
    with pytest.raises(TransientError):
        world.blocks.repository("default")
    world.gate.mode = "open"
    BLOCK.save("default", overwrite=True)
    world.blocks.read_webhooks()
    assert OLD_SECRET.encode() in world.blocks.webhooks.keys()  # noqa: SIM118 - no mapping's keys


def test_blocks_that_are_missing_are_named(world: World) -> None:
    with pytest.raises(TerminalError, match="there is no block git-repository/moon"):
        world.blocks.repository("moon")
    with pytest.raises(TerminalError, match="acme/moon is not configured any more"):
        world.applications.source("acme/moon")
    empty = Applications(world.settings, Blocks(PrefectApi(world.gate.url, tries=1)))
    assert empty.names() == ()
    with pytest.raises(TransientError, match="could not be read yet"):
        empty.source(REPOSITORY)
