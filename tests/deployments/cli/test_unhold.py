"""`sluice unhold` on a real ledger."""

from __future__ import annotations

from tasks.ledger.store import Ledger
from tests.deployments.cli.rows import T0, release, succeeded
from tests.deployments.conftest import Sluice


def test_it_lifts_the_hold_and_keeps_the_reason(sluice: Sluice, ledger: Ledger) -> None:
    succeeded(ledger, release(1), "prod")
    ledger.holds.add("shop", "prod", release(2).id, "the cart was empty", "ada", T0)
    printed = sluice("unhold", "prod", "--reason", "fixed by 1f3c2ab", "--by", "grace", "--json")
    assert printed.code == 0
    assert printed.json == {
        "pipeline": "shop",
        "environment": "prod",
        "released": [release(2).id],
        "by": "grace",
        "reason": "fixed by 1f3c2ab",
    }
    assert ledger.holds.active("shop", "prod") == []
    again = sluice("unhold", "prod", "--reason", "again")
    assert (again.code, again.out) == (0, "shop prod: nothing is on hold\n")


def test_it_asks_for_a_reason(sluice: Sluice, ledger: Ledger) -> None:
    succeeded(ledger, release(1), "prod")
    ledger.holds.add("shop", "prod", release(1).id, "why", "ada", T0)
    assert sluice("unhold", "prod").code == 2
    assert sluice("unhold", "prod", "--reason", "  ").code == 2
    assert len(ledger.holds.active("shop", "prod")) == 1


def test_of_two_pipelines_the_one_that_holds_is_meant(sluice: Sluice, ledger: Ledger) -> None:
    blog = release(1, pipeline="blog").model_copy(update={"id": "20261120090000-b"})
    succeeded(ledger, release(1), "prod")
    succeeded(ledger, blog, "prod")
    ledger.holds.add("blog", "prod", blog.id, "why", "ada", T0)
    assert sluice("unhold", "prod", "--reason", "ok").out.startswith("blog prod:")


def test_two_that_hold_are_told_apart_by_name(sluice: Sluice, ledger: Ledger) -> None:
    blog = release(1, pipeline="blog").model_copy(update={"id": "20261120090000-b"})
    for one in (release(1), blog):
        succeeded(ledger, one, "prod")
        ledger.holds.add(one.pipeline, "prod", one.id, "why", "ada", T0)
    refused = sluice("unhold", "prod", "--reason", "ok")
    assert refused.code == 1
    assert refused.err == (
        "sluice: prod is an environment of blog, shop — name one of them with --pipeline\n"
    )
    assert sluice("unhold", "prod", "--reason", "ok", "--pipeline", "shop").code == 0
    assert len(ledger.holds.active("blog", "prod")) == 1


def test_an_unknown_environment_is_one_line(sluice: Sluice, ledger: Ledger) -> None:
    printed = sluice("unhold", "moon", "--reason", "ok")
    assert printed.code == 1
    assert printed.err == "sluice: nothing has been promoted to moon — see `sluice status`\n"
