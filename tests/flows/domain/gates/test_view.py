"""The gates as people read them."""

from __future__ import annotations

import pytest

from blocks.values.plans import GateAnswer
from flows.domain.gates.view import gates_markdown, gates_rows
from tests.flows.domain.samples import HOSTILE

LINK = "https://github.com/acme/shop/runs/7?check_suite_focus=true"
ANSWERS = (
    GateAnswer(gate="ref", passed=True, reason="branch main may enter staging", link=LINK),
    GateAnswer(gate="checks", passed=False, reason="test has not ended", waiting=True, link=LINK),
    GateAnswer(gate="hold", passed=False, reason="it is held"),
)


def test_the_artifact_lists_every_gate_with_its_link() -> None:
    text = gates_markdown(ANSWERS)
    assert "| ✅ | ref | branch main may enter staging ([look](" + LINK + ")) |" in text
    assert "| ⏳ | checks | test has not ended ([look](" + LINK + ")) |" in text
    assert "| ❌ | hold | it is held |" in text


def test_the_terminal_lists_every_gate_and_closed_ones_with_their_link() -> None:
    assert gates_rows(ANSWERS) == [
        ("ok", "ref", "branch main may enter staging"),
        ("waits", "checks", f"test has not ended {LINK}"),
        ("fail", "hold", "it is held"),
    ]


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "https://x/) [y](javascript:z", "https://x y", HOSTILE]
)
def test_a_link_that_could_be_something_else_is_left_out(link: str) -> None:
    answer = GateAnswer(gate="checks", passed=False, reason=HOSTILE, link=link)
    assert "[look]" not in gates_markdown([answer])
    assert "<img" not in gates_markdown([answer]).replace("\\<img", "")
    assert gates_rows([answer]) == [("fail", "checks", HOSTILE)]
