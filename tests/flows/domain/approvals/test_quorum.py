"""Which answers count, and when there are enough."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, get_args

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from blocks.pipeline.sections import Approvals
from blocks.values.base import Value
from flows.domain.approvals.quorum import (
    WRONG_CODES_ALLOWED,
    authors_among,
    deadline,
    judge,
    last_refusal,
    person_key,
    quorum,
    shared_identities,
)
from flows.domain.approvals.values import (
    Answer,
    AnswerVerdict,
    ApprovalPolicy,
    ApprovalQuestion,
    ApproverFacts,
    Decision,
    Refusal,
    policy_of,
)
from tests.flows.domain.samples import HOSTILE, NOW

HASH = "a1" * 32
STEP = int(NOW.timestamp()) // 30
SECRETS = {name: pyotp.random_base32() for name in ("ada", "ben", "cleo", "dan")}
POLICY = ApprovalPolicy(required=2, approvers=("ada", "ben", "cleo"))
APPROVE = "approve"


class Record(Value):
    """What the ledger gives back, as far as the judge asks."""

    plan_hash: str = HASH
    approver: str = "ada"
    decision: str = APPROVE
    counted: bool = True
    refusal: str = ""
    reason: str = ""
    code_step: int | None = None
    created_at: datetime = NOW


def person(name: str = "ada", **changes: Any) -> ApproverFacts:
    values = {"name": name, "totp_secret": SECRETS[name], "identities": (f"{name}@example.com",)}
    return ApproverFacts(**(values | changes))


def code(name: str = "ada", offset: int = 0) -> str:
    return pyotp.TOTP(SECRETS[name]).generate_otp(STEP + offset)


def answer(**changes: Any) -> Answer:
    return Answer(**({"approver": "ada", "decision": APPROVE, "code": code(), "plan_hash": HASH} | changes))


def decide(given_answer: Answer | None = None, **changes: Any) -> AnswerVerdict:
    values: dict[str, Any] = {
        "policy": POLICY,
        "plan_hash": HASH,
        "earlier": (),
        "approver": person(),
        "authors": {"zoe@example.com"},
        "requester": "zoe",
        "used_steps": (),
        "now": NOW,
    }
    values |= changes
    given_answer = given_answer or answer()
    used = [
        Record(plan_hash="c3" * 32, approver=given_answer.approver, counted=False, code_step=step)
        for step in values.pop("used_steps")
    ]
    values["earlier"] = (*values["earlier"], *used)
    asked = {name: values.pop(name) for name in ("policy", "plan_hash", "authors", "requester")}
    return judge(given_answer, ApprovalQuestion(**asked), **values)


def wrong_code() -> str:
    taken = {code(offset=offset) for offset in (-1, 0, 1)}
    return next(digits for digits in (f"{number:06}" for number in range(9)) if digits not in taken)


def test_a_good_answer_counts() -> None:
    verdict = decide(answer(reason="looks\nright"))
    assert verdict == AnswerVerdict(
        counted=True,
        plan_hash=HASH,
        approver="ada",
        decision="approve",
        refusal="",
        code_step=STEP,
        reason="looks right",
    )


def test_a_no_needs_no_ticks() -> None:
    assert decide(answer(decision="reject", reason="not today", unticked=("alerts are on",))).counted


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_a_clock_may_be_one_step_off(offset: int) -> None:
    verdict = decide(answer(code=code(offset=offset)))
    assert (verdict.counted, verdict.code_step) == (True, STEP + offset)


@pytest.mark.parametrize("offset", [-3, -2, 2, 3, 1000])
def test_two_steps_are_too_many(offset: int) -> None:
    if code(offset=offset) not in {code(offset=near) for near in (-1, 0, 1)}:
        assert decide(answer(code=code(offset=offset))).refusal == Refusal.WRONG_CODE


def test_names_and_decisions_are_compared_without_case_and_space() -> None:
    spaced = f" {code()[:3]} {code()[3:]}"
    verdict = decide(answer(approver="  ADA ", decision=" Approve", code=spaced))
    assert (verdict.counted, verdict.approver) == (True, "ada")


@pytest.mark.parametrize(
    ("given_answer", "changes", "refusal"),
    [
        ({"approver": "x" * 65}, {}, Refusal.TOO_LONG),
        ({"unticked": ("alerts are on",)}, {}, Refusal.NOT_TICKED),
        ({"unticked": ("alerts are on",), "code": wrong_code()}, {}, Refusal.NOT_TICKED),
        ({"code": "1" * 65}, {}, Refusal.TOO_LONG),
        ({"decision": "x" * 65}, {}, Refusal.TOO_LONG),
        ({"reason": "x" * 1001}, {}, Refusal.TOO_LONG),
        ({"decision": ""}, {}, Refusal.NO_DECISION),
        ({"decision": "yes"}, {}, Refusal.NO_DECISION),
        ({"code": ""}, {}, Refusal.NO_CODE),
        ({"code": "12345"}, {}, Refusal.NO_CODE),
        ({"code": "1234567"}, {}, Refusal.NO_CODE),
        ({"code": "12345a"}, {}, Refusal.NO_CODE),
        # Digits of other scripts are digits to Python, and pyotp would fold them.
        ({"code": "".join(chr(0xFF10 + int(digit)) for digit in code())}, {}, Refusal.NO_CODE),
        ({"code": f"{code()}\n"}, {}, Refusal.NO_CODE),
        ({"decision": "reject", "reason": " \n"}, {}, Refusal.NO_REASON),
        ({"approver": "nobody"}, {"approver": None}, Refusal.UNKNOWN_PERSON),
        ({"approver": ""}, {}, Refusal.UNKNOWN_PERSON),
        ({"approver": "ben"}, {}, Refusal.UNKNOWN_PERSON),
        ({"approver": "dan", "code": code("dan")}, {"approver": person("dan")}, Refusal.NOT_LISTED),
        ({}, {"policy": ApprovalPolicy(required=1)}, Refusal.NOT_LISTED),
        ({}, {"approver": person(active=False)}, Refusal.INACTIVE),
        ({}, {"authors": {"Ada@Example.COM"}}, Refusal.IS_AUTHOR),
        ({}, {"authors": {"ADA"}}, Refusal.IS_AUTHOR),
        ({}, {"authors": {"17+ada@users.noreply.github.com"}}, Refusal.IS_AUTHOR),
        ({}, {"authors": {"ada@users.noreply.github.com"}}, Refusal.IS_AUTHOR),
        ({}, {"authors": {"17+ada@users.noreply.git.example.com"}}, Refusal.IS_AUTHOR),
        ({}, {"authors": set()}, Refusal.AUTHOR_UNKNOWN),
        ({}, {"authors": {" "}}, Refusal.AUTHOR_UNKNOWN),
        ({}, {"requester": "ADA@example.com "}, Refusal.IS_REQUESTER),
        ({}, {"requester": "Somebody <ada@example.com>"}, Refusal.IS_REQUESTER),
        ({}, {"requester": "cleo, @ada (on call)"}, Refusal.IS_REQUESTER),
        ({}, {"requester": ""}, Refusal.REQUESTER_UNKNOWN),
        ({}, {"earlier": (Record(),)}, Refusal.REPEATED),
        ({}, {"earlier": (Record(approver="ADA"),)}, Refusal.REPEATED),
        ({}, {"earlier": (Record(decision="reject"),)}, Refusal.REPEATED),
        (
            {"decision": "reject", "reason": "no"},
            {"earlier": (Record(decision="reject"),)},
            Refusal.REPEATED,
        ),
        ({"code": wrong_code()}, {}, Refusal.WRONG_CODE),
        ({"code": code("ben")}, {}, Refusal.WRONG_CODE),
        ({}, {"used_steps": {STEP}}, Refusal.USED_CODE),
        ({"code": code(offset=1)}, {"used_steps": {STEP + 1}}, Refusal.USED_CODE),
        ({}, {"approver": person(totp_secret="")}, Refusal.NO_SECRET),
        ({}, {"approver": person(totp_secret="not base32!")}, Refusal.NO_SECRET),
        ({}, {"approver": person(totp_secret="JBSWY3DP")}, Refusal.NO_SECRET),
    ],
)
def test_what_does_not_count(given_answer: dict[str, Any], changes: dict[str, Any], refusal: Refusal) -> None:
    verdict = decide(answer(**given_answer), **changes)
    assert verdict.refusal == refusal
    assert not verdict.counted
    assert verdict.code_step is None


def test_other_peoples_and_other_plans_answers_do_not_matter() -> None:
    earlier = (Record(approver="ben"), Record(plan_hash="another"), Record(counted=False))
    assert decide(earlier=earlier).counted


def test_another_used_step_does_not_matter() -> None:
    assert decide(used_steps={STEP - 1, STEP + 1, STEP - 5}).counted


def test_exclusion_is_the_policys_choice() -> None:
    lenient = POLICY.model_copy(update={"exclude_author": False, "exclude_requester": False})
    assert decide(policy=lenient, authors={"ada@example.com"}, requester="ada").counted
    assert decide(policy=lenient, authors=(), requester="").counted


def test_an_author_may_still_say_no() -> None:
    no = answer(decision="Reject", reason="not yet")
    verdict = decide(no, authors={"ada@example.com"}, requester="ada")
    assert (verdict.counted, verdict.decision) == (True, "reject")


def test_a_no_needs_a_valid_code() -> None:
    assert decide(answer(decision="reject", reason="x", code=wrong_code())).refusal == Refusal.WRONG_CODE


def test_a_yes_may_be_taken_back() -> None:
    assert decide(answer(decision="reject", reason="wait"), earlier=(Record(),)).counted


def test_an_expired_yes_may_be_given_again() -> None:
    old = Record(created_at=NOW - POLICY.expires_after)
    assert decide(earlier=(old,)).counted
    assert decide(earlier=(old.model_copy(update={"decision": "reject"}),)).refusal == Refusal.REPEATED


def wrong(count: int, **changes: Any) -> tuple[Record, ...]:
    return (Record(**({"counted": False, "refusal": Refusal.WRONG_CODE.value} | changes)),) * count


def test_five_wrong_codes_close_an_approver_for_this_plan() -> None:
    assert decide(earlier=wrong(WRONG_CODES_ALLOWED - 1)).counted
    assert decide(earlier=wrong(WRONG_CODES_ALLOWED)).refusal == Refusal.CLOSED
    no = answer(decision="reject", reason="x")
    assert decide(no, earlier=wrong(WRONG_CODES_ALLOWED)).refusal == Refusal.CLOSED
    assert decide(earlier=wrong(9, plan_hash="another")).counted
    assert decide(earlier=wrong(9, approver="ben")).counted
    assert decide(earlier=wrong(9, refusal=Refusal.USED_CODE.value)).counted


def test_equal_codes_of_two_steps_are_used_up_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyotp.TOTP, "generate_otp", lambda _self, _step: "424242")
    same = answer(code="424242")
    assert decide(same).code_step == STEP - 1
    assert decide(same, used_steps={STEP + 1}).refusal == Refusal.USED_CODE


def test_what_was_typed_is_kept_on_one_printable_line_only() -> None:
    verdict = decide(answer(approver=f"{HOSTILE}"[:60], reason=HOSTILE), approver=None)
    assert "\n" not in verdict.approver + verdict.reason
    assert "\u202e" not in verdict.approver + verdict.reason
    huge = decide(answer(approver="x" * 10**6, reason="y" * 10**6, decision="z" * 10**6))
    assert len(huge.to_json()) < 2000


@pytest.mark.parametrize(
    "read", ["b2" * 32, HASH.upper(), f"{HASH} ", HASH[:32], "x" * 10**6, "\N{FULLWIDTH DIGIT ONE}"]
)
@pytest.mark.parametrize(
    "changes", [{}, {"decision": "reject", "reason": ""}, {"unticked": ("alerts are on",)}]
)
def test_an_answer_to_another_plan_does_not_count_and_its_code_is_used_up(
    read: str, changes: dict[str, Any]
) -> None:
    verdict = decide(answer(plan_hash=read, **changes))
    assert (verdict.counted, verdict.refusal, verdict.code_step) == (False, Refusal.OTHER_PLAN, STEP)
    assert verdict.approver == "ada"
    assert verdict.plan_hash == (read if read == "b2" * 32 else "")
    again = decide(answer(), used_steps=[STEP])
    assert again.refusal == Refusal.USED_CODE


@pytest.mark.parametrize("read", ["", " \n"])
def test_an_answer_that_does_not_say_what_was_read_does_not_count(read: str) -> None:
    verdict = decide(answer(plan_hash=read))
    assert (verdict.counted, verdict.refusal, verdict.code_step) == (False, Refusal.NO_PLAN, STEP)
    assert decide(answer(plan_hash=read), plan_hash=read).refusal == Refusal.NO_PLAN
    assert verdict.plan_hash == ""


def test_an_answer_to_another_plan_tells_nothing_about_its_code() -> None:
    stale = answer(plan_hash="b2" * 32)
    wrong = decide(stale.model_copy(update={"code": SecretStr(wrong_code())}))
    assert (wrong.refusal, wrong.code_step) == (Refusal.OTHER_PLAN, None)
    assert decide(stale, used_steps=[STEP]).code_step is None
    assert decide(stale, approver=None).code_step is None
    assert decide(stale, approver=person(active=False)).refusal == Refusal.OTHER_PLAN


def test_the_authors_among_the_approvers_are_found_by_any_of_their_names() -> None:
    people = [person(), person("ben", github_login="ben-k"), person("cleo", identities=())]
    assert authors_among(people, {"ADA@example.com", "7+ben-k@users.noreply.github.com"}) == ("ada", "ben")
    assert authors_among(people, {"Cleo"}) == ("cleo",)
    # What the block does not list is somebody else's.
    assert authors_among(people, {"ada+shop@example.com", "", "ada@example.org"}) == ()


def test_neither_code_nor_secret_shows_in_texts() -> None:
    assert code() not in repr(answer()) + answer().to_json()
    assert SECRETS["ada"] not in repr(person()) + person().to_json()


TEXTS = st.text(max_size=80)


@given(
    TEXTS,
    st.one_of(st.sampled_from(["approve", "reject", "APPROVE "]), TEXTS),
    st.one_of(st.integers(-4, 4).map(lambda offset: code(offset=offset)), TEXTS),
    TEXTS,
    st.sets(st.integers(STEP - 2, STEP + 2)),
    st.sampled_from([None, person(), person("ben"), person("dan"), person(active=False)]),
    st.one_of(st.sampled_from([HASH, HASH, HASH.upper(), f" {HASH}", HASH[:-1], "b2" * 32, ""]), TEXTS),
)
def test_an_answer_counts_only_with_a_fresh_code_of_its_listed_person(
    name: str,
    decision: str,
    typed: str,
    reason: str,
    used: set[int],
    who: ApproverFacts | None,
    read: str,
) -> None:
    named = name or (who.name if who else "")
    verdict = decide(
        Answer(approver=named, decision=decision, code=typed, reason=reason, plan_hash=read),
        approver=who,
        used_steps=used,
    )
    assert verdict.counted is (verdict.refusal == "")
    assert verdict.counted is (verdict.code_step is not None) or read != HASH
    assert verdict.counted is False or verdict.plan_hash == read == HASH
    assert verdict.decision in get_args(Decision)
    if verdict.counted:
        assert who is not None
        assert who.active
        assert who.name in POLICY.approvers
        assert person_key(named) == who.name
        assert verdict.code_step is not None
        assert abs(verdict.code_step - STEP) <= 1
        assert verdict.code_step not in used
        assert typed.replace(" ", "") == pyotp.TOTP(SECRETS[who.name]).generate_otp(verdict.code_step)


RECORDS = st.builds(
    Record,
    plan_hash=st.sampled_from([HASH, "another", ""]),
    approver=st.sampled_from(["ada", "ADA", "ben", "cleo", "dan", ""]),
    decision=st.sampled_from(["approve", "approve", "approve", "reject", "maybe"]),
    counted=st.booleans(),
    created_at=st.sampled_from([NOW, NOW - timedelta(hours=23), NOW - timedelta(hours=24)]),
)


@given(st.lists(RECORDS, max_size=8), st.integers(0, 4))
def test_a_quorum_needs_that_many_distinct_listed_people_and_no_no(
    records: list[Record], required: int
) -> None:
    policy = POLICY.model_copy(update={"required": required})
    state = quorum(policy, HASH, records, now=NOW)
    mine = [
        r for r in records if r.counted and r.plan_hash == HASH and r.approver.lower() in POLICY.approvers
    ]
    people = {
        r.approver.lower()
        for r in mine
        if r.decision == "approve" and NOW - r.created_at < POLICY.expires_after
    }
    rejected = any(r.decision == "reject" for r in mine)
    assert state.have == len(people) == len(state.by)
    assert state.rejected is rejected is bool(state.rejected_by)
    assert state.approved is (not rejected and len(people) >= required)
    assert set(state.missing).isdisjoint({person_key(name) for name in (*state.by, *state.rejected_by)})


def test_no_hash_means_no_approvals() -> None:
    records = [Record(plan_hash="", approver=name) for name in POLICY.approvers]
    assert quorum(POLICY, "", records, now=NOW).have == 0


def test_a_quorum_says_who_did_and_who_may() -> None:
    records = [Record(), Record(approver="ben", decision="reject")]
    state = quorum(POLICY, HASH, records, now=NOW)
    assert (state.by, state.rejected_by, state.missing) == (("ada",), ("ben",), ("cleo",))
    assert (state.have, state.need, state.approved, state.rejected) == (1, 2, False, True)


ATTEMPTS = st.lists(
    st.tuples(
        st.sampled_from(["ada", "ben", "cleo", "dan"]),
        st.sampled_from(["approve", "approve", "reject"]),
        st.integers(-3, 3),
        st.sampled_from(["ada", "ben", "cleo", "dan"]),
        st.sampled_from([HASH, "another"]),
    ),
    max_size=12,
)


@given(ATTEMPTS)
def test_no_sequence_of_answers_makes_a_quorum_without_two_people_who_proved_themselves(
    attempts: list[tuple[str, str, int, str, str]],
) -> None:
    """Each attempt names somebody, with a code of somebody's secret, for some plan."""
    records: list[Record] = []
    used: dict[str, set[int]] = {}
    proved: set[str] = set()
    for name, decision, offset, secret_of, plan_hash in attempts:
        verdict = decide(
            answer(approver=name, decision=decision, code=code(secret_of, offset), reason="because"),
            approver=person(name),
            earlier=records,
            plan_hash=plan_hash,
            used_steps=used.get(name, set()),
        )
        if verdict.counted:
            assert verdict.code_step not in used.setdefault(name, set())
            used[name].add(verdict.code_step or 0)
            genuine = code(secret_of, offset) == code(name, (verdict.code_step or 0) - STEP)
            assert genuine
            if plan_hash == HASH and decision == "approve":
                proved.add(name)
        records.append(
            Record(
                plan_hash=plan_hash,
                **verdict.model_dump(include={"approver", "decision", "counted", "refusal"}),
            )
        )
    state = quorum(POLICY, HASH, records, now=NOW)
    assert set(state.by) == proved
    assert state.approved is (len(proved) >= 2 and not state.rejected)
    assert "dan" not in proved


def test_the_deadline_is_counted_from_the_question() -> None:
    assert deadline(NOW, POLICY) == NOW + timedelta(hours=24)


def test_the_policy_is_what_the_pipeline_says() -> None:
    section = Approvals(required=2, approvers=("ada", "ben"), not_author=False, expires=3600)
    assert policy_of(section) == ApprovalPolicy(
        required=2,
        approvers=("ada", "ben"),
        exclude_author=False,
        exclude_requester=True,
        expires_after=timedelta(hours=1),
    )
    assert quorum(policy_of(None), HASH, (), now=NOW).approved


def test_one_person_under_two_names_is_found() -> None:
    double = person("ben", identities=("ADA@example.com",))
    same_secret = person("cleo", totp_secret=SECRETS["dan"].lower())
    people = [person(), double, same_secret, person("dan")]
    assert shared_identities(people) == (("ada", "ben"), ("cleo", "dan"))


def test_a_plan_may_ask_for_more_people_than_its_environment() -> None:
    section = Approvals(required=1, approvers=("ada", "ben"))
    assert [policy_of(section, at_least=number).required for number in (0, 1, 2)] == [1, 1, 2]


def test_why_the_last_answer_did_not_count_is_said_to_those_it_concerns() -> None:
    refused = Record(counted=False, refusal=Refusal.WRONG_CODE)
    other = refused.model_copy(update={"plan_hash": "b2" * 32})
    aside = other.model_copy(update={"refusal": Refusal.NO_PLAN})
    assert last_refusal([Record(), refused], HASH) == Refusal.WRONG_CODE
    assert last_refusal([other], HASH) == ""
    assert last_refusal([aside], HASH) == Refusal.NO_PLAN
    assert last_refusal([refused, Record()], HASH) == last_refusal([], HASH) == ""
