"""What a run was started for first is what it does: a real Prefect server, ledger and repositories, no host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW, temporary_settings
from pydantic import SecretStr

from blocks.git_repository import GitRepository
from blocks.ledger_database import LedgerDatabase
from blocks.settings import Settings
from blocks.values.lifecycle import ACTIVE, Kind, Status
from blocks.webhook_channel import WebhookChannel
from flows.core.session import Session, open_session
from flows.runs import conduct
from flows.runs.first_start import settle_unknown
from tasks.git.mirror import mirror_directory
from tasks.kernel.clock import utc_now
from tasks.ledger.connect import BLOCK
from tasks.ledger.records import PromotionRecord
from tasks.ledger.store import Ledger
from tests.lab.plane import LabPlane
from tests.lab.repository import Repository
from tests.lab.scene import Inbox
from tests.tasks.ledger.samples import make_plan, make_release

pytestmark = pytest.mark.timeout(600)

PIPELINE = """
pipeline: shop
registry: main
notify: [team]
environments:
  staging: {hosts: staging, branches: main}
  prod:
    hosts: prod
    branches: main
    approvals: {required: 2, approvers: [ana, ben]}
"""
NOBODY_ASKED = PIPELINE.replace("    approvals: {required: 2, approvers: [ana, ben]}\n", "")
WAYS = {
    Status.PLANNING: (),
    Status.WAITING: (Status.WAITING,),
    Status.APPROVED: (Status.APPROVED,),
    Status.RUNNING: (Status.APPROVED, Status.RUNNING),
    Status.RESTORING: (Status.APPROVED, Status.RUNNING, Status.RESTORING),
    Status.SUCCEEDED: (Status.APPROVED, Status.RUNNING, Status.SUCCEEDED),
    Status.SUPERSEDED: (Status.SUPERSEDED,),
    Status.REJECTED: (Status.REJECTED,),
    Status.FAILED: (Status.FAILED,),
    Status.REFUSED: (Status.REFUSED,),
}


@pytest.fixture(scope="module", autouse=True)
def inbox(prefect_server: LabPlane) -> Iterator[Inbox]:
    """A channel that Prefect's server knows."""
    del prefect_server
    quietly = temporary_settings({PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW: "ignore"})
    with quietly, Inbox() as inbox:
        WebhookChannel(url=SecretStr(f"http://127.0.0.1:{inbox.port}/")).save("team", overwrite=True)
        yield inbox


@dataclass
class Place:
    """An application, another one that asks nobody, and one run that is started again and again."""

    ledger: Ledger
    repository: Repository
    other: Repository
    inbox: Inbox
    run: str = field(default_factory=lambda: str(uuid4()))
    bodies: int = 0

    def request(self, kind: Any = Kind.PROMOTE, **changes: str) -> conduct.Request:
        parameters = {
            "environment": "prod",
            "ref": "v1",
            "source": "default",
            "requested_by": "cleo",
            **changes,
        }
        return conduct.Request(
            kind,
            parameters["environment"],
            parameters["ref"],
            parameters["source"],
            parameters["requested_by"],
            parameters=parameters,
        )

    def start(self, request: conduct.Request, *statuses: Status) -> State[Any]:
        """Start the run, or start it again; its body brings the promotion to a status."""

        def body(session: Session, request: conduct.Request, row: PromotionRecord) -> PromotionRecord:
            del request
            self.bodies += 1
            for status in statuses:
                row = session.ledger.promotions.move(row.id, status, now=utc_now())
            return row

        self.inbox.messages.clear()
        return conduct.conduct(request, body)

    @property
    def rows(self) -> list[PromotionRecord]:
        return self.ledger.promotions.history("shop")

    def fetched(self, repository: Repository) -> bool:
        return mirror_directory(Settings().home / "mirrors", str(repository.path)).exists()


@pytest.fixture
def place(tmp_path: Path, inbox: Inbox, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Place:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    LedgerDatabase(url=SecretStr(url)).save(BLOCK, overwrite=True)
    repository = Repository.with_pipeline(tmp_path / "shop", PIPELINE)
    other = Repository.with_pipeline(tmp_path / "other", NOBODY_ASKED)
    GitRepository(url=str(repository.path)).save("default", overwrite=True)
    GitRepository(url=str(other.path)).save("other", overwrite=True)
    made = Place(ledger, repository, other, inbox)
    monkeypatch.setattr(conduct, "flow_run_key", lambda: made.run)
    return made


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        (Status.WAITING, {"source": "other"}),
        (Status.WAITING, {"environment": "staging"}),
        (Status.WAITING, {"requested_by": "dora"}),
        (Status.PLANNING, {"source": "other"}),
        (Status.APPROVED, {"ref": "v2"}),
    ],
)
def test_a_run_that_asks_for_something_else_is_ended(
    place: Place, status: Status, changes: dict[str, str]
) -> None:
    place.start(place.request(), *WAYS[status])
    state = place.start(place.request(**changes))
    ((name, now),) = changes.items()
    first = place.request().parameters[name]
    (row,) = place.rows
    assert (state.name, row.status, row.environment) == ("Refused", Status.REFUSED, "prod")
    assert state.message == row.message
    assert row.message == (
        "this run's parameters were changed after its first start, and nothing of that was used: "
        f"`{name}` was {first} and is {now} now — start a new run with what you want"
    )
    assert (place.bodies, place.fetched(place.other)) == (1, False)
    (told,) = place.inbox.messages
    assert (told["key"], f"`{name}` was" in told["text"]) == (f"shop/prod/{row.id}/refused/team", True), told


def test_the_same_run_goes_on(place: Place) -> None:
    place.start(place.request(), *WAYS[Status.WAITING])
    state = place.start(place.request(), Status.APPROVED, Status.RUNNING, Status.SUCCEEDED)
    (row,) = place.rows
    assert (state.name, row.status, place.bodies) == ("Completed", Status.SUCCEEDED, 2)


@pytest.mark.parametrize("status", sorted(ACTIVE))
def test_in_the_middle_of_a_change_its_promotion_stays_open(place: Place, status: Status) -> None:
    place.start(place.request(), *WAYS[status])
    state = place.start(place.request(source="other", requested_by="dora"))
    assert state.name == "Refused"
    message = state.message or ""
    assert "its promotion stays open: put that back as it was (`prefect api PATCH /flow_runs/" in message
    (row,) = place.rows
    assert (row.status, row.message, place.bodies, place.fetched(place.other)) == (status, "", 1, False)
    assert place.inbox.messages == []
    # What the message says helps.
    end = Status.SUCCEEDED if status is Status.RUNNING else Status.RESTORED
    place.start(place.request(), end)
    assert place.rows[0].status is end


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.SUPERSEDED])
def test_what_has_ended_stays_as_it_ended(place: Place, status: Status) -> None:
    place.start(place.request(), *WAYS[status])
    before = place.rows
    state = place.start(place.request(environment="staging"))
    assert state.name == "Refused"
    assert "its promotion had ended and stays as it is; start a new run" in (state.message or "")
    assert (place.rows, place.bodies, place.inbox.messages) == (before, 1, [])


def test_a_new_attempt_of_a_run_asks_for_the_same(place: Place) -> None:
    place.start(place.request(), Status.FAILED)
    place.start(place.request(), Status.WAITING)
    assert [row.flow_run_id for row in place.rows] == [f"{place.run}#2", place.run]
    place.start(place.request(source="other"))
    assert [row.status for row in place.rows] == [Status.REFUSED, Status.FAILED]
    # With its parameters back it is a new attempt once more.
    place.start(place.request(), Status.WAITING)
    assert [row.status for row in place.rows] == [Status.WAITING, Status.REFUSED, Status.FAILED]


def test_a_run_of_another_flow_does_not_go_on_with_it(place: Place) -> None:
    place.start(place.request(), Status.WAITING)
    state = place.start(place.request(Kind.ROLLBACK))
    assert "`flow` was promote and is rollback now" in (state.message or "")
    assert place.rows[0].status is Status.REFUSED


def test_a_block_that_leads_elsewhere_is_not_followed(place: Place) -> None:
    place.start(place.request(), Status.WAITING)
    GitRepository(url=str(place.other.path)).save("default", overwrite=True)
    state = place.start(place.request())
    assert "the run's git-repository block was changed after its first start" in (state.message or "")
    assert "`url` was " in (state.message or "")
    assert (place.rows[0].status, place.bodies, place.fetched(place.other)) == (Status.REFUSED, 1, False)
    # The channels of the application it was started for hear of it.
    assert [one["key"] for one in place.inbox.messages] == [f"shop/prod/{place.rows[0].id}/refused/team"]


def test_in_the_middle_of_a_change_the_advice_is_about_what_was_changed(place: Place) -> None:
    place.start(place.request(), *WAYS[Status.RUNNING])
    GitRepository(url=str(place.other.path)).save("default", overwrite=True)
    message = place.start(place.request()).message or ""
    # Parameters that are put back would change nothing.
    assert "PATCH" not in message
    assert f"put that back as it was and `prefect flow-run retry {place.run}`" in message
    GitRepository(url=str(place.repository.path)).save("default", overwrite=True)
    place.start(place.request(), Status.SUCCEEDED)
    assert place.rows[0].status is Status.SUCCEEDED


def test_a_pipeline_that_got_another_name_is_another_one(place: Place) -> None:
    place.start(place.request(), Status.WAITING)
    place.repository.change_pipeline(PIPELINE.replace("shop", "store"))
    state = place.start(place.request())
    assert "`pipeline` was shop and is store now" in (state.message or "")
    assert (place.rows[0].status, place.bodies) == (Status.REFUSED, 1)


def forgotten(place: Place, *, checksum: str = "") -> PromotionRecord:
    """Leave a promotion that waits as an earlier version of Sluice left it."""
    row = place.ledger.promotions.open(
        pipeline="shop",
        environment="prod",
        kind=Kind.PROMOTE,
        ref="v1",
        flow_run_id=place.run,
        requested_by="cleo",
        cause="",
        now=utc_now() - timedelta(hours=1),
    )
    place.ledger.promotions.set_release(
        row.id, place.ledger.releases.record(make_release("v1")).id, utc_now()
    )
    if checksum:
        plan = make_plan("v1", policy_checksum=checksum)
        place.ledger.promotions.set_plan(row.id, plan=plan, previous_release_id=None, now=utc_now())
    return place.ledger.promotions.move(row.id, Status.WAITING, now=utc_now())


def settled(place: Place, request: conduct.Request) -> State[Any]:
    """Start the run; its body looks at the row as those of the flows do."""

    def body(session: Session, request: conduct.Request, row: PromotionRecord) -> PromotionRecord:
        settle_unknown(session.ledger, row, session.policy(request.environment), request.asked(session))
        place.bodies += 1
        return session.ledger.promotions.get(row.id) or row

    return conduct.conduct(request, body)


def test_a_promotion_that_waits_across_the_upgrade_goes_on(place: Place) -> None:
    with open_session("default") as session:
        checksum = session.policy("prod").checksum
    row = forgotten(place, checksum=checksum)
    settled(place, place.request())
    (now,) = place.rows
    assert (now.id, now.status, place.bodies) == (row.id, Status.WAITING, 1)
    # From now on the ledger knows what it was asked for.
    assert now.asked is not None
    assert now.asked.parameters == place.request().parameters
    place.start(place.request(source="other"))
    assert place.rows[0].status is Status.REFUSED


@pytest.mark.parametrize("changes", [{"environment": "staging"}, {"requested_by": "dora"}])
def test_what_a_row_from_before_the_upgrade_knows_counts(place: Place, changes: dict[str, str]) -> None:
    forgotten(place)
    state = settled(place, place.request(**changes))
    assert (state.name, place.rows[0].status, place.bodies) == ("Refused", Status.REFUSED, 0)


def test_approvals_from_before_the_upgrade_do_not_count_under_another_policy(place: Place) -> None:
    with open_session("default") as session:
        checksum = session.policy("prod").checksum
    forgotten(place, checksum=checksum)
    state = settled(place, place.request(source="other"))
    assert (state.name, place.rows[0].status, place.bodies) == ("Refused", Status.REFUSED, 0)
    assert "it is not known which repository it was started for" in (state.message or "")


def test_what_the_default_branch_says_of_a_commit_that_says_nothing_is_in_the_plan(place: Place) -> None:
    def told(text: str) -> str:
        with open_session("default") as session:
            return session.describe("prod", text).checksum

    before = told("")
    migrates = "backup: {service: db}\nmigration: {service: web, command: [./migrate]}\n"
    place.repository.change_pipeline(f"{PIPELINE}{migrates}")
    assert told("") not in {"", before}
    # What a commit says itself stays as it is.
    assert told(PIPELINE) == ""
    assert told(f"{PIPELINE}{migrates}") == ""
