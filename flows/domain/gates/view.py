"""The gates' answers as people read them: Markdown for the plan's artifact, rows for the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable

from blocks.values.plans import GateAnswer
from flows.domain.words.text import escape, one_line, table

_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&*+,;=%-]{1,500}")
_LONGEST = 400


def gates_markdown(answers: Iterable[GateAnswer]) -> str:
    """Render every answer, open gates as well; whatever comes from outside is escaped."""
    rows = [(_sign(answer), answer.gate, _linked(answer)) for answer in answers]
    return "\n\n## Gates\n\n" + table(("", "Gate", "Answer"), rows) + "\n"


def gates_rows(answers: Iterable[GateAnswer]) -> list[tuple[str, str, str]]:
    """Render every answer for the terminal.

    Returns:
        Rows of state (`ok`, `waits`, `fail`), gate and reason; a closed gate's link stands behind its reason.
    """
    return [(_word(answer), answer.gate, _plain(answer)) for answer in answers]


def _sign(answer: GateAnswer) -> str:
    return "✅" if answer.passed else "⏳" if answer.waiting else "❌"


def _word(answer: GateAnswer) -> str:
    return "ok" if answer.passed else "waits" if answer.waiting else "fail"


def _linked(answer: GateAnswer) -> str:
    reason = escape(answer.reason, _LONGEST)
    # Only what cannot end the link early becomes one.
    return f"{reason} ([look]({answer.link}))" if _ADDRESS.fullmatch(answer.link) else reason


def _plain(answer: GateAnswer) -> str:
    shown = not answer.passed and _ADDRESS.fullmatch(answer.link)
    return f"{answer.reason} {one_line(answer.link, 500)}" if shown else answer.reason
