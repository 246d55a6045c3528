"""What GitHub's states say is a function of the promotion's row."""

from __future__ import annotations

import pytest

from blocks.values.lifecycle import ENDED, Kind, Status
from flows.domain.publication.states import (
    commit_state,
    deployment_state,
    described,
    moment_of,
    shown_address,
    status_words,
)


def test_every_status_has_its_states_and_words() -> None:
    for status in Status:
        state = deployment_state(status, runs=True)
        open_states = {"queued", "pending", "in_progress"}
        assert (state in open_states) == (status not in ENDED), status
        assert (commit_state(status) == "pending") == (status not in ENDED), status
        assert (commit_state(status) == "success") == (status in {Status.SUCCEEDED, Status.UNCHANGED})
        assert status_words(status)
    assert deployment_state(Status.SUCCEEDED, runs=True) == "success"
    assert deployment_state(Status.SUCCEEDED, runs=False) == "inactive"


@pytest.mark.parametrize(
    ("status", "runs", "moment"),
    [
        (Status.PLANNING, False, "planning"),
        (Status.WAITING, False, "waiting 0123456789ab"),
        (Status.APPROVED, False, ""),
        (Status.RUNNING, False, "running"),
        (Status.SUCCEEDED, True, "succeeded"),
        (Status.SUCCEEDED, False, "left"),
        (Status.BROKEN, False, "broken"),
    ],
)
def test_moments(status: Status, runs: bool, moment: str) -> None:
    assert moment_of(status, "0123456789abcdef", runs=runs) == moment


def test_a_wait_without_a_plan() -> None:
    assert moment_of(Status.WAITING, None, runs=False) == "waiting"


def test_the_line_beside_a_state_fits() -> None:
    assert described(Kind.PROMOTE, Status.SUCCEEDED, "it runs") == "promote: succeeded"
    assert described(Kind.PROMOTE, Status.SUCCEEDED, "", runs=False) == "another release runs now"
    assert described(Kind.ROLLBACK, Status.WAITING, "waiting for 1") == "rollback: waiting for approvals"
    line = described(Kind.PROMOTE, Status.REFUSED, "the check test\nis red " + "x" * 300)
    assert line.startswith("promote: refused: the check test is red xxx")
    assert len(line) == 140


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (None, ""),
        ("http://localhost:8080", ""),
        ("http://127.0.0.1", ""),
        ("http://[::1]:80", ""),
        ("https://shop.example", "https://shop.example"),
    ],
)
def test_an_address_only_the_host_can_open_is_not_shown(address: str | None, shown: str) -> None:
    assert shown_address(address) == shown
