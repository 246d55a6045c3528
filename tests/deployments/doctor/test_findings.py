"""Findings of the doctor: order, errors as findings, and no secret in them."""

from __future__ import annotations

from deployments.doctor.control import expected_deployments
from deployments.doctor.findings import Check, failure, ok, run_checks
from tasks.kernel.errors import TransientError
from tasks.kernel.redact import process_redactor


def test_checks_are_told_in_their_order_and_an_error_is_a_finding() -> None:
    def broken() -> list[object]:
        raise TransientError("host prod does not answer", "check the network")

    checks = [
        Check("a", lambda: [ok("a", "one"), ok("a", "two")]),
        Check("b", broken),  # type: ignore[arg-type]
        Check("c", lambda: iter([ok("c", "three")])),
    ]
    found = run_checks(checks)
    assert [(one.level, one.where) for one in found] == [("ok", "a"), ("ok", "a"), ("fail", "b"), ("ok", "c")]
    assert (found[2].what, found[2].mend) == ("host prod does not answer", "check the network")
    assert run_checks([]) == []


def test_an_unexpected_error_is_named_and_redacted() -> None:
    process_redactor().add("swordfish-42")
    found = failure("registry", ValueError("login swordfish-42\nwas refused"))
    assert found.level == "fail"
    assert found.what.startswith("ValueError: login ")
    assert "swordfish-42" not in found.what
    assert "\n" not in found.what


def test_the_deployments_it_expects_are_those_of_prefect_yaml() -> None:
    assert "rollback/prod" in expected_deployments()
    assert len(expected_deployments()) == 13
