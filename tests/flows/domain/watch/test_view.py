"""How a watch is told."""

from __future__ import annotations

from blocks.values.watch import LogError, LogSummary, WatchEnd, WatchFinding
from flows.domain.promotion.messages import LIMIT, Subject
from flows.domain.watch.view import cause, red_text, summary_line, watch_markdown
from tests.flows.domain.samples import HOSTILE
from tests.flows.domain.watch.test_watch import error, logs, look, mark

SUBJECT = Subject(
    pipeline="shop",
    environment="prod",
    release_id="1f3c2ab-aaaa",
    commit="1f3c2ab",
    title="Take orders",
    link="http://localhost/run",
)
FINDING = WatchFinding(
    what="1 error that was not there before the switch", lines=("web (once): ERROR it broke",)
)
RED = WatchEnd(verdict="red", text="x", findings=(FINDING,))


def test_the_line_and_the_cause_name_the_first_log_line() -> None:
    line = "1 error that was not there before the switch (web (once): ERROR it broke)"
    assert summary_line([FINDING]) == line
    assert cause(7, [FINDING]) == f"the watch of promotion 7 is red: {line}"
    assert summary_line([WatchFinding(what="web is unhealthy"), FINDING]) == f"web is unhealthy; {line}"
    assert len(cause(7, [WatchFinding(what="x" * 5000)])) <= 400


def test_people_are_told_what_decided_and_what_was_done() -> None:
    text = red_text(SUBJECT, RED, ("1f3c2ab-aaaa is held",))
    assert text.splitlines() == [
        "Watch is red: shop 1f3c2ab Take orders in prod",
        "1 error that was not there before the switch",
        "- web (once): ERROR it broke",
        "1f3c2ab-aaaa is held",
        "http://localhost/run",
    ]


def test_a_long_log_does_not_hide_what_was_done() -> None:
    end = WatchEnd(
        verdict="red",
        text="x",
        findings=tuple(WatchFinding(what="w", lines=("l" * 999,) * 10) for _ in range(9)),
    )
    text = red_text(SUBJECT, end, ("1f3c2ab-aaaa is held",))
    assert len(text) <= LIMIT
    assert text.endswith("1f3c2ab-aaaa is held\nhttp://localhost/run")


def test_log_lines_do_nothing_in_a_message() -> None:
    end = WatchEnd(verdict="red", text="x", findings=(WatchFinding(what="w", lines=(f"web: {HOSTILE}",)),))
    (line,) = [one for one in red_text(SUBJECT, end, ()).splitlines() if one.startswith("- ")]
    assert "\u202e" not in line


def test_the_page_compares_before_and_since() -> None:
    page = watch_markdown(
        "Watch of shop prod, promotion 7",
        RED,
        [logs(error("a", 3), containers=(mark("db", 1, "db"),))],
        [look(error("a", 2), error("b", 1), seconds=60, containers=(mark("db", 3, "db"),))],
        ("it is held",),
    )
    assert "# Watch of shop prod, promotion 7: red" in page
    assert "| Time | 600 s | 60 s |" in page
    assert "| Errors | 3 | 3 |" in page
    assert "| `web` | a | 3 | 2 |" in page
    assert "| `web` | b | 0 | 1 |" in page
    assert "Restarts: db 2" in page
    assert "```\nweb (once): ERROR it broke\n```" in page
    assert "- it is held" in page


def test_a_page_without_errors_says_so_and_what_could_not_be_read() -> None:
    before, end = [LogSummary(host="a", notes=("no log",))], WatchEnd(verdict="green", text="well")
    page = watch_markdown("t", end, before, [look()], ())
    assert "No errors, neither before nor after the switch." in page
    assert "- no log" in page


def test_without_a_look_nothing_is_compared() -> None:
    page = watch_markdown("t", WatchEnd(verdict="over", text="replaced"), [logs(error("a"))], [], ())
    assert page == "# t: over\n\nreplaced\n"


def test_log_lines_do_nothing_in_the_page() -> None:
    bad = LogError(service=HOSTILE, text=HOSTILE, count=1, sample=HOSTILE)
    end = WatchEnd(verdict="red", text=HOSTILE, findings=(WatchFinding(what=HOSTILE, lines=(HOSTILE,)),))
    page = watch_markdown(HOSTILE, end, [], [look(bad)], (HOSTILE,))
    outside = "".join(page.split("```")[0::2])
    assert "<img" not in outside
    assert "{{" not in page
    assert "\u202e" not in page
