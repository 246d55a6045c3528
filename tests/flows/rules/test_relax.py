"""A rule is let go by verified people, for a while, and is put back whatever happens."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pyotp
import pytest
from prefect import flow
from prefect.input.actions import read_flow_run_input

from blocks.settings import Settings
from blocks.values.rules import BranchProtection
from flows.core.github import open_github, open_github_rules
from flows.core.session import open_session
from flows.domain.approvals.values import Refusal
from flows.domain.gates.github import protected as protection_gate
from flows.domain.rules.rules import BY_NAME
from flows.rules.relax import RuleName, _let_go, relax
from tasks.github.rules import GitHubRules
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import TerminalError
from tasks.ledger.connect import open_ledger
from tasks.ledger.records import ApprovalRecord
from tasks.ledger.relaxation_records import RelaxationRecord
from tests.fakes.github import TOKEN, Fault
from tests.flows.rules.conftest import PIPELINE, Shop
from tests.lab.shell import wait_until

pytestmark = pytest.mark.timeout(900)

ASKED = {"branch": "main", "rule": "allow_force_pushes", "minutes": 20, "reason": "purge a leaked key"}


@pytest.fixture
def protected_shop(shop: Shop) -> Shop:
    assert shop.protect(apply=True).name == "Completed"
    shop.github.asked.clear()
    return shop


def force_pushes(shop: Shop) -> bool:
    found = shop.github.branches["main"]
    assert found is not None
    return bool(found["allow_force_pushes"]["enabled"])


def begun(shop: Shop, rule: str = "allow_force_pushes", run: str = "run") -> RelaxationRecord:
    """Write down a request as a run does before it changes GitHub, and go no further."""
    keeper = open_github_rules("shop")
    with open_ledger(Settings()) as ledger:
        row = ledger.relaxations.open(
            pipeline="shop",
            repository=keeper.page,
            branch="main",
            rule=rule,
            seconds=600,
            reason="why",
            requested_by="cleo",
            flow_run_id=run,
            now=utc_now(),
        )
        before = keeper.branch("main").protection
        assert before is not None
        keeper.close()
        return ledger.relaxations.begin(row.id, before=before, approved_by="ana", now=utc_now())


def let_go(shop: Shop, row: RelaxationRecord) -> None:
    """Change GitHub as that run would have done."""
    keeper = open_github_rules("shop")
    found = keeper.branch(row.branch).protection
    assert found is not None
    rule = BY_NAME[row.rule]
    keeper.protect(row.branch, rule.write(found, rule.open))
    keeper.close()


def test_the_names_in_the_form_are_those_of_the_rules() -> None:
    assert RuleName.__args__ == tuple(BY_NAME)  # type: ignore[attr-defined]


def test_from_the_question_until_it_is_put_back(protected_shop: Shop) -> None:
    shop = protected_shop
    before = shop.github.branches["main"]
    run = shop.plane.run_deployment("relax/github", ASKED)
    shop.plane.wait_for_state(run, "Suspended", timeout_seconds=300)
    assert not force_pushes(shop)
    assert shop.changes() == []
    (row,) = shop.rows()
    assert (row.status, row.message) == ("asked", "waits for 1 of ana, ben")
    # A wrong code does not count, and does not let anything go.
    shop.plane.answer(
        run, approver="ana", code="000000" if pyotp.TOTP(shop.secrets["ana"]).now() != "000000" else "111111"
    )
    wait_until(
        lambda: _answers(row.id) == [("ana", False)], "the refused answer", seconds=120, every_seconds=1
    )
    shop.plane.wait_for_state(run, "Suspended", timeout_seconds=300)
    assert not force_pushes(shop)
    code = shop.code("ben")
    shop.plane.answer(run, approver="ben", code=code)
    ended = shop.plane.wait_for_state(run, timeout_seconds=300)
    assert ended["state"]["name"] == "Completed", ended
    (row,) = shop.rows()
    assert (row.status, row.approved_by, row.rule) == ("relaxed", "ben", "allow_force_pushes")
    assert row.until is not None
    assert row.relaxed_at is not None
    assert 1150 < (row.until - row.relaxed_at).total_seconds() <= 1200
    assert "allow_force_pushes on main is relaxed until" in ended["state"]["message"]
    assert "by ben: purge a leaked key" in ended["state"]["message"]
    assert force_pushes(shop)
    assert shop.told() == [
        "Asked: relax allow_force_pushes on main of shop for 20 min",
        "Relaxed: shop",
    ]
    # The gate goes by what GitHub enforces; drift and apply leave alone what people let go.
    api = open_github("shop")
    assert not protection_gate(api.protection("main", details=True)).passed
    api.close()
    assert "0 differences" in str(shop.reconcile().message)
    assert "1 are relaxed for a limited time" in str(shop.protect(apply=True).message)
    assert force_pushes(shop)
    # Its time is over: the next look puts it back, once.
    shop.let_time_pass(row.id)
    assert "1 rules were restored" in str(shop.reconcile().message)
    assert shop.github.branches["main"] == before
    assert shop.rows()[0].status == "restored"
    assert "put back" not in str(shop.reconcile().message)
    assert shop.told()[2:] == ["Back in force: allow_force_pushes on main of shop"]
    # The code was used up, for whatever it is given next.
    other = shop.plane.run_deployment("relax/github", {**ASKED, "rule": "enforce_admins"})
    shop.plane.wait_for_state(other, "Suspended", timeout_seconds=300)
    shop.plane.answer(other, approver="ben", code=code)
    number = shop.rows()[1].id
    wait_until(
        lambda: _answers(number) == [("ben", False)], "the refused answer", seconds=120, every_seconds=1
    )
    shop.plane.wait_for_state(other, "Suspended", timeout_seconds=300)
    shop.plane.answer(other, approver="ana", decision="reject", code=shop.code("ana"), reason="not today")
    ended = shop.plane.wait_for_state(other, timeout_seconds=300)
    assert (ended["state"]["name"], ended["state"]["message"]) == ("Refused", "no, said ana: not today")
    assert shop.rows()[1].status == "refused"


def test_an_answer_counts_for_the_request_that_was_read(protected_shop: Shop) -> None:
    """The form of one person is open while a push makes it two: it is told, and both are asked anew."""
    shop = protected_shop
    run = shop.plane.run_deployment("relax/github", ASKED)
    shop.plane.wait_for_state(run, "Suspended", timeout_seconds=300)
    (row,) = shop.rows()
    opened, code = shop.plane.api.form(run), shop.code("ana")
    with pytest.raises(TerminalError, match="did not take the answer"):
        shop.plane.api.resume(run, {})
    shop.write(PIPELINE.replace("at_most: 30m}", "at_most: 30m, required: 2}"))
    shop.plane.answer(run, approver="ana", code=code, form=opened)
    asked_anew(shop, run, row.id, 1)
    (stale,) = _records(row.id)
    assert (stale.approver, stale.counted, stale.decision) == ("ana", False, "approve")
    assert (stale.refusal, stale.plan_hash) == (Refusal.OTHER_PLAN, opened["plan"])
    assert "it answers another plan than the one that is shown now" in description(shop, run)
    assert "0 of 2" in description(shop, run)
    # An answer as the form of an older version gives it, with the code that was shown before.
    asked = shop.plane.api.form(run)
    assert asked["plan"] != opened["plan"]
    shop.plane.answer(run, approver="ana", code=code, form={})
    asked_anew(shop, run, row.id, 2)
    assert [one.refusal for one in _records(row.id)][1:] == [Refusal.NO_PLAN]
    # The form of before is still open somewhere, and was right all the time: what it asks about did not change.
    shop.plane.answer(run, approver="ben", code=shop.code("ben"), form=asked)
    asked_anew(shop, run, row.id, 3)
    assert not force_pushes(shop)
    shop.plane.answer(run, approver="ana", code=code)
    asked_anew(shop, run, row.id, 4)
    assert _records(row.id)[-1].refusal == Refusal.USED_CODE
    shop.plane.answer(run, approver="ana", code=shop.code("ana"))
    ended = shop.plane.wait_for_state(run, timeout_seconds=300)
    assert ended["state"]["name"] == "Completed", ended
    assert shop.rows()[0].approved_by == "ben, ana"
    assert force_pushes(shop)
    assert [line.split(":")[0] for line in shop.told()] == ["Asked", "Asked", "Relaxed"]


def asked_anew(shop: Shop, run: str, number: int, answers: int) -> None:
    wait_until(lambda: len(_records(number)) == answers, "the judged answer", seconds=120, every_seconds=1)
    shop.plane.wait_for_state(run, "Suspended", timeout_seconds=300)


def description(shop: Shop, run: str) -> str:
    """Return what the form shows above its fields."""
    shop.plane.api.form(run)
    keys = shop.plane.api.run(run)["state"]["state_details"]["run_input_keyset"]
    return str(read_flow_run_input(keys["description"], flow_run_id=UUID(run)))


def _records(number: int) -> list[ApprovalRecord]:
    with open_ledger(Settings()) as ledger:
        return ledger.approvals.of_relaxation(number)


def _answers(number: int) -> list[tuple[str, bool]]:
    with open_ledger(Settings()) as ledger:
        return [(one.approver, one.counted) for one in ledger.approvals.of_relaxation(number)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"minutes": 31}, "a rule may be relaxed for 30m at most, not for 31 min"),
        ({"minutes": 0}, "a rule may be relaxed for 30m at most"),
        ({"branch": "dev"}, "dev is no branch under protect"),
        ({"rule": "strict"}, "the pipeline asks for no rule strict on main"),
        ({"reason": "  "}, "the reason for relaxing the rule is missing"),
    ],
)
def test_what_the_pipeline_does_not_allow_is_refused(
    protected_shop: Shop, changes: dict[str, Any], said: str
) -> None:
    state = relax(**(ASKED | changes), return_state=True)
    assert state.name == "Refused"
    assert said in str(state.message)
    assert protected_shop.rows() == []
    assert protected_shop.changes() == []


def test_what_is_not_in_force_cannot_be_relaxed(shop: Shop) -> None:
    state = relax(**ASKED, return_state=True)
    assert (state.name, state.message) == (
        "Refused",
        "allow_force_pushes is not in force on main — there is nothing to relax",
    )
    shop.write(PIPELINE.replace("relax: {approvers: [ana, ben], at_most: 30m}", "relax: null"))
    assert "nobody is allowed to relax a rule" in str(relax(**ASKED, return_state=True).message)


def test_a_run_that_died_before_or_after_the_change_leaves_nothing_open(protected_shop: Shop) -> None:
    shop = protected_shop
    before = shop.github.branches["main"]
    untouched, changed = begun(shop), begun(shop, "enforce_admins", "run 2")
    let_go(shop, changed)
    assert shop.github.branches["main"] != before
    shop.reconcile()
    assert shop.github.branches["main"] != before, "its time is not over"
    shop.let_time_pass(untouched.id)
    shop.let_time_pass(changed.id)
    assert "2 rules were restored" in str(shop.reconcile().message)
    assert shop.github.branches["main"] == before
    assert [row.status for row in shop.rows()] == ["restored", "restored"]


def test_it_is_put_back_though_the_pipeline_is_broken(protected_shop: Shop) -> None:
    shop = protected_shop
    before = shop.github.branches["main"]
    row = begun(shop)
    let_go(shop, row)
    shop.let_time_pass(row.id)
    shop.write("pipeline: [\n")
    assert shop.reconcile().name == "Failed"
    assert shop.github.branches["main"] == before
    assert shop.rows()[0].status == "restored"


def test_it_is_put_back_after_an_outage_and_the_wait_is_told(protected_shop: Shop) -> None:
    shop = protected_shop
    before = shop.github.branches["main"]
    row = begun(shop)
    let_go(shop, row)
    shop.let_time_pass(row.id)
    shop.github.tokens[TOKEN] -= {"administration:write"}
    assert "1 differences (1 new, 0 gone)" in str(shop.reconcile().message)
    ((kind, about, detail),) = shop.drift()
    assert (kind, about) == ("relaxation", "main allow_force_pushes")
    assert "could not be put back: GitHub does not let the login change" in detail
    assert shop.rows()[0].status == "begun"
    shop.github.tokens[TOKEN] |= {"administration:write"}
    shop.github.faults.append(Fault("/protection", 502, "Bad Gateway", times=2))
    assert "1 rules were restored" in str(shop.reconcile().message)
    assert shop.github.branches["main"] == before
    assert shop.drift() == []
    assert shop.told() == [
        "Rules on GitHub are missing: shop, 1 standing",
        "Back in force: allow_force_pushes on main of shop",
        "Rules on GitHub are in force again: shop, 0 standing",
    ]


def test_what_became_stricter_meanwhile_stays(protected_shop: Shop) -> None:
    shop = protected_shop
    row = begun(shop, "required_approving_review_count")
    let_go(shop, row)
    found = shop.github.branches["main"]
    assert found is not None
    found["required_linear_history"]["enabled"] = True
    found["required_pull_request_reviews"]["required_approving_review_count"] = 4
    shop.let_time_pass(row.id)
    shop.reconcile()
    found = shop.github.branches["main"]
    assert found is not None
    assert found["required_linear_history"]["enabled"]
    assert found["required_pull_request_reviews"]["required_approving_review_count"] == 4


def test_it_can_be_put_back_before_its_time(protected_shop: Shop) -> None:
    shop = protected_shop
    before = shop.github.branches["main"]
    let_go(shop, begun(shop))
    state = shop.protect(put_back=True)
    assert (state.name, state.message) == ("Completed", "9 of 9 rules are in force")
    assert shop.github.branches["main"] == before
    assert shop.rows()[0].message == "restored before its time, as requested"


def test_a_run_that_wakes_late_does_not_leave_the_rule_open(protected_shop: Shop) -> None:
    """Somebody closed the request while GitHub took its time."""
    shop = protected_shop
    before = shop.github.branches["main"]
    row = begun(shop)

    class Slow(GitHubRules):
        """GitHub as a run finds it that was stopped for longer than the rule may be relaxed."""

        def protect(self, branch: str, protection: BranchProtection) -> None:
            if protection.allow_force_pushes:
                shop.let_time_pass(row.id)
                assert "1 rules were restored" in str(shop.reconcile().message)
            super().protect(branch, protection)

    @flow(name="late")
    def late() -> RelaxationRecord:
        with open_session("default") as session:
            keeper = open_github_rules("shop")
            keeper.__class__ = Slow
            found = _let_go(session, keeper, row)
            keeper.close()
            return found

    assert late().status == "restored"
    assert ("PUT", "/repos/acme/shop/branches/main/protection") in shop.changes()
    assert shop.github.branches["main"] == before
