"""Releases are written once, and found by id and by commit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tasks.kernel.errors import TerminalError
from tests.tasks.ledger.samples import SHOP, at, make_release, sha

if TYPE_CHECKING:
    from tasks.ledger.store import Ledger


def test_a_release_comes_back_as_it_was_written(ledger: Ledger) -> None:
    release = make_release("one")
    assert ledger.releases.record(release) == release
    kept = ledger.releases.get(release.id)
    assert kept == release
    assert kept is not None
    assert kept.to_json() == release.to_json()  # the order of keys too


def test_an_unknown_release_is_none(ledger: Ledger) -> None:
    assert ledger.releases.get("20261121030000-000000000000") is None
    assert ledger.releases.of_commit(SHOP, sha("none")) is None


def test_recording_again_keeps_the_first(ledger: Ledger) -> None:
    first = ledger.releases.record(make_release("one"))
    assert ledger.releases.record(make_release("one", created_at=at(900))) == first


def test_of_two_runs_that_pinned_differently_the_first_counts(ledger: Ledger) -> None:
    pins = {"redis": f"redis:7@sha256:{'a' * 64}", "db": "postgres:17"}
    first = ledger.releases.record(make_release("one", third_party=pins))
    assert ledger.releases.record(make_release("one")) == first
    with pytest.raises(TerminalError, match="third_party"):
        ledger.releases.record(make_release("one", third_party={"redis": "redis:8", "db": "postgres:17"}))


def test_a_release_never_changes(ledger: Ledger) -> None:
    first = ledger.releases.record(make_release("one"))
    with pytest.raises(TerminalError, match="bundle_checksum") as told:
        ledger.releases.record(make_release("one", bundle_checksum="1" * 64))
    assert first.id in told.value.what
    assert "\n" not in str(told.value)
    assert ledger.releases.get(first.id) == first


def test_another_pipeline_does_not_get_this_ones_release(ledger: Ledger) -> None:
    ledger.releases.record(make_release("one"))
    with pytest.raises(TerminalError, match="pipeline"):
        ledger.releases.record(make_release("one", pipeline="blog"))
    assert ledger.releases.find("blog", sha("one")) == []
    assert ledger.releases.of_commit("blog", sha("one")) is None


def test_a_commit_has_its_release(ledger: Ledger) -> None:
    release = ledger.releases.record(make_release("one"))
    ledger.releases.record(make_release("two"))
    assert ledger.releases.of_commit(SHOP, sha("one")) == release
    assert ledger.releases.of_commit(SHOP, sha("one")[:39]) is None


def test_a_release_is_found_by_what_a_person_types(ledger: Ledger) -> None:
    release = ledger.releases.record(make_release("one"))
    ledger.releases.record(make_release("two"))
    for text in (release.id, release.id[:20], sha("one"), sha("one")[:4], sha("one")[:7].upper()):
        assert ledger.releases.find(SHOP, text) == [release], text


def test_an_ambiguous_text_finds_all_newest_first(ledger: Ledger) -> None:
    older = ledger.releases.record(make_release("one"))
    newer = ledger.releases.record(make_release("two", created_at=at(60)))
    assert ledger.releases.find(SHOP, "20261121") == [newer, older]


def test_an_exact_id_is_not_ambiguous(ledger: Ledger) -> None:
    short = ledger.releases.record(make_release("one", id="v1.4"))
    ledger.releases.record(make_release("two", id="v1.4.1"))
    assert ledger.releases.find(SHOP, "v1.4") == [short]


@pytest.mark.parametrize("text", ["", "202", "%", "____", "2026%", "2026_", "' OR 1=1 --"])
def test_short_texts_and_wildcards_find_nothing(ledger: Ledger, text: str) -> None:
    ledger.releases.record(make_release("one"))
    assert ledger.releases.find(SHOP, text) == []


def test_two_runs_may_record_the_same_release_at_once(ledger: Ledger) -> None:
    with ThreadPoolExecutor(4) as threads:
        kept = list(threads.map(ledger.releases.record, [make_release("one")] * 8))
    assert kept == [make_release("one")] * 8
