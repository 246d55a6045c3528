"""Text from outside shows itself on GitHub, and does nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.domain.publication.markdown import bounded, inline, link

COMMENT = "<!-- -->"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Add orders", "Add orders"),
        ("Fixes #5", f"Fixes #{COMMENT}5"),
        ("#5", f"\\#{COMMENT}5"),
        ("fixes acme/shop#5", f"fixes acme/shop#{COMMENT}5"),
        ("gh-5", f"gh-{COMMENT}5"),
        ("thanks @ana", f"thanks \\@{COMMENT}ana"),
        ("a # b", "a # b"),
        ("<img src=x>", "&#60;img src=x&#62;"),
        ("a | b", "a \\| b"),
        ("x\n\n# head", "x # head"),
        ("`code` {{ jinja }}", "\\`code\\` \\{\\{ jinja \\}\\}"),
        (
            "see https://github.com/acme/shop/issues/5",
            f"see https\\:{COMMENT}//github.com/acme/shop/issues/5",
        ),
    ],
)
def test_what_it_becomes(text: str, shown: str) -> None:
    assert inline(text) == shown


@given(st.text(max_size=200))
def test_nobody_is_told_and_nothing_is_referred_to(text: str) -> None:
    shown = inline(text)
    assert not re.search(r"@(?!<!-- -->)", shown)
    assert not re.search(r"(?<!&)#\d", shown)
    assert "\n" not in shown
    assert "://" not in shown


def test_a_link_leads_only_to_plain_addresses() -> None:
    assert link("3", "https://prefect.example/runs/3") == "[3](https://prefect.example/runs/3)"
    for bad in ("", "javascript:alert(1)", "https://a b", "https://a)[x](https://b", "https://a|b"):
        assert link("3", bad) == "3"


def test_a_text_that_is_too_long_ends_at_a_line() -> None:
    assert bounded(["a", "b"], 100) == "a\nb\n"
    cut = bounded(["x" * 30 for _ in range(10)], 200)
    assert len(cut) <= 200
    assert cut.splitlines()[-1] == "… the rest is left out: GitHub takes no more."
    assert set(cut.splitlines()[:-1]) == {"x" * 30}
