"""`sluice deliveries`: what came, what became of it, and having it decided anew."""

from __future__ import annotations

from datetime import UTC, datetime

from blocks.values.deliveries import Arrived, DeliveryStatus, Start
from blocks.values.lifecycle import Kind
from tasks.ledger.store import Ledger
from tests.deployments.conftest import Sluice

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
SHA = "a" * 40


def delivered(ledger: Ledger, delivery: str, **given: object) -> None:
    plain: dict[str, object] = {
        "event": "push",
        "repository": "acme/shop",
        "digest": delivery,
        "sender": "ana",
    }
    arrived = Arrived.model_validate({**plain, "delivery": delivery, **given})
    assert ledger.deliveries.take_in([arrived], NOW) == ["stored"]


def decided(ledger: Ledger, delivery: str) -> None:
    row = ledger.deliveries.get(delivery)
    assert row is not None
    start = Start(environment="staging", kind=Kind.PROMOTE, ref=SHA, sha=SHA, branch="main")
    ledger.deliveries.decide(row, [start], "push to main", now=NOW)
    ledger.starts.started(ledger.starts.pending()[0], "run-1", NOW)


def test_nothing_came_yet(sluice: Sluice) -> None:
    printed = sluice("deliveries")
    assert (printed.code, printed.out) == (
        0,
        "GitHub delivered nothing yet; docs/webhooks.md says how to set it up\n",
    )
    assert sluice("deliveries", "--json").json == []


def test_what_came_and_what_became_of_it(ledger: Ledger, sluice: Sluice) -> None:
    delivered(ledger, "d-1", ref="refs/heads/main", sha=SHA)
    decided(ledger, "d-1")
    delivered(ledger, "d-2", event="issue_comment", action="created", number=7, refusal="no command\x1b[31m")
    delivered(ledger, "d-3", event="star", refusal="the event star starts nothing")
    star, comment, push = sluice("deliveries").lines[1:]
    assert push.split()[3:] == [
        *("d-1", "push", "main", "aaaaaaa", "ana", "started", "promote/staging", "started"),
        *("push", "to", "main"),
    ]
    assert "issue_comment created  #7" in comment
    assert "\x1b" not in comment
    assert "acme/shop" in star
    assert len(sluice("deliveries", "--limit", "1").lines) == 2


def test_scripts_get_runs_and_keys_and_no_payload(ledger: Ledger, sluice: Sluice) -> None:
    delivered(ledger, "d-1", ref="refs/heads/main", sha=SHA)
    decided(ledger, "d-1")
    (row,) = sluice("deliveries", "--json").json
    assert row["starts"] == [
        {
            "deployment": "promote/staging",
            "key": "d-1:promote/staging",
            "ref": SHA,
            "sha": SHA,
            "status": "started",
            "reason": "",
            "flow_run_id": "run-1",
        }
    ]
    assert not {"facts", "digest", "id"} & set(row)


def test_a_replay(ledger: Ledger, sluice: Sluice) -> None:
    delivered(ledger, "d-1", refusal="the event star starts nothing")
    assert sluice("deliveries", "--replay", "d-1").out.startswith("delivery d-1 is decided again as soon as")
    row = ledger.deliveries.get("d-1")
    assert row is not None
    assert (row.status, row.replays) == (DeliveryStatus.RECEIVED, 1)
    again = sluice("deliveries", "--replay", "d-1")
    assert (again.code, again.err) == (
        1,
        "sluice: delivery d-1 is already being handled — see `sluice deliveries`\n",
    )
    assert sluice("deliveries", "--replay", "d-9").code == 1
