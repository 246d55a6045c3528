"""The rules on GitHub: shown, applied, kept; a real Prefect server and ledger, a fake GitHub over HTTP."""

from __future__ import annotations

import json

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from blocks.git_repository import GitRepository
from deployments.cli.main import run
from tests.fakes.github import TOKEN, Fault, shapes
from tests.flows.rules.conftest import Shop

pytestmark = pytest.mark.timeout(900)

RULELESS = "pipeline: shop\nenvironments: {staging: {hosts: staging, branches: main}}\n"


def artifact(key: str) -> str:
    """Return the newest artifact of a key."""
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=wanted)
    return str(max(found, key=lambda one: str(one.created)).data)


def test_the_difference_is_shown_and_nothing_is_changed(shop: Shop) -> None:
    state = shop.protect()
    assert (state.name, state.message) == (
        "Completed",
        "0 of 9 rules are in force; 9 are missing; nothing was changed: run it with apply",
    )
    assert shop.changes() == []
    shown = artifact("protection-shop")
    assert "| main | `required_approving_review_count` | 0 | 2 | **missing** |" in shown
    assert "| environment prod | `reviewers` | nobody | acme/ops, ana | **missing** |" in shown


def test_what_is_missing_is_applied_and_what_is_there_is_kept(shop: Shop) -> None:
    there = shapes.protection(reviews=3, checks={"lint": None})
    there["restrictions"] = {"users": [shapes.user("", "eve")], "teams": [{"slug": "ops"}], "apps": []}
    there["required_signatures"] = {"url": "", "enabled": True}
    shop.github.branches["main"] = there
    state = shop.protect(apply=True)
    assert (state.name, state.message) == (
        "Completed",
        "9 of 9 rules are in force; changed: main, environment prod",
    )
    now = shop.github.branches["main"]
    assert now is not None
    assert now["required_pull_request_reviews"]["required_approving_review_count"] == 3
    assert now["required_pull_request_reviews"]["dismiss_stale_reviews"]
    assert now["required_status_checks"]["checks"] == [
        {"context": "lint", "app_id": None},
        {"context": "test", "app_id": 15368},
    ]
    assert [one["login"] for one in now["restrictions"]["users"]] == ["eve"]
    assert [one["slug"] for one in now["restrictions"]["teams"]] == ["ops"]
    assert now["required_signatures"]["enabled"]
    assert now["enforce_admins"]["enabled"]
    prod = shop.github.ruling.environments["prod"]
    assert [rule["type"] for rule in prod["protection_rules"]] == ["wait_timer", "required_reviewers"]
    writes = shop.changes()
    assert [method for method, _ in writes] == ["PUT", "PUT"]
    # Once more: everything is there, and nothing is written.
    state = shop.protect(apply=True)
    assert state.message == "9 of 9 rules are in force"
    assert shop.changes() == writes
    assert "stricter on GitHub, kept" in artifact("protection-shop")


def test_a_login_without_the_permission_is_one_line(shop: Shop) -> None:
    shop.github.tokens[TOKEN] -= {"administration:write"}
    state = shop.protect(apply=True)
    assert (state.name, state.message) == (
        "Failed",
        "not every rule is in force: GitHub does not let the login change the protection of main in acme/shop: "
        "Resource not accessible by personal access token — give it the permission administration=write",
    )
    shop.github.tokens[TOKEN] -= {"administration"}
    shop.github.branches["main"] = shapes.protection()
    assert "give it the permission administration=read" in str(shop.protect().message)


def test_a_plan_that_lacks_one_thing_keeps_nothing_else_from_being_applied(shop: Shop) -> None:
    shop.github.ruling.no_reviewers = True
    state = shop.protect(apply=True)
    assert state.name == "Failed"
    assert "ensure the billing plan supports the required reviewers protection rule" in str(state.message)
    assert shop.github.branches["main"] is not None
    assert "## Not changed" in artifact("protection-shop")
    shop.github.ruling.private_and_free = True
    state = shop.protect()
    assert "GitHub's plan does not have the protection of main" in str(state.message)


def test_what_github_takes_and_does_not_keep_is_told(shop: Shop) -> None:
    shop.github.branches["main"] = shapes.protection(reviews=1)
    shop.github.ruling.forgets = {"required_pull_request_reviews"}
    state = shop.protect(apply=True)
    assert "GitHub took the protection of main and does not have all of it" in str(state.message)


def test_an_outage_is_tried_again(shop: Shop) -> None:
    shop.github.faults.append(Fault("/protection", 502, "Bad Gateway", times=2))
    assert shop.protect(apply=True).name == "Completed"


def test_without_a_block_or_rules_it_says_so(shop: Shop) -> None:
    shop.write(RULELESS)
    assert shop.protect().message == (
        "the pipeline asks for no rules on GitHub: add protect to pipeline.yaml"
    )
    GitRepository(url=str(shop.repository.path)).save("default", overwrite=True)
    state = shop.protect()
    assert (state.name, state.message) == (
        "Failed",
        "the git-repository block names no github block — "
        "create one in the Prefect UI under Blocks, and name it in the field GitHub",
    )


def test_the_command_shows_the_same_and_applies_it(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["protect"]) == 1
    shown = capsys.readouterr().out
    cells = [line.split() for line in shown.splitlines()]
    assert ["missing", "main", "required_approving_review_count", "0", "2"] in cells
    assert shown.splitlines()[-1].startswith("0 of 9 rules are in force; 9 are missing; nothing was changed")
    assert shop.changes() == []
    assert run(["protect", "--apply", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["changed"] == ["main", "environment prod"]
    assert {line["state"] for line in found["rules"]} == {"in force"}
    assert (found["pipeline"], found["relaxed"], found["failed"]) == ("shop", [], [])
    assert run(["protect"]) == 0
    capsys.readouterr()
    shop.github.tokens[TOKEN] -= {"administration:write"}
    found_protection = shop.github.branches["main"]
    assert found_protection is not None
    found_protection["enforce_admins"]["enabled"] = False
    assert run(["protect", "--apply"]) == 1
    printed = capsys.readouterr()
    assert "not changed: GitHub does not let the login change the protection of main" in printed.out
    assert printed.err.startswith("sluice: not every rule is in force: GitHub does not let the login")
    assert len(printed.err.splitlines()) == 1


# -- drift ----------------------------------------------------------------------------------------------------------


def test_what_differs_is_recorded_and_told_once(shop: Shop) -> None:
    shop.protect(apply=True)
    assert "0 differences" in str(shop.reconcile().message)
    assert shop.told() == []
    protection = shop.github.branches["main"]
    assert protection is not None
    protection["enforce_admins"]["enabled"] = False
    assert "1 differences (1 new, 0 gone)" in str(shop.reconcile().message)
    assert shop.drift() == [("protection", "main enforce_admins", "is false, the pipeline asks for true")]
    assert "main enforce\\_admins" in artifact("reconcile-shop") or "main enforce_admins" in artifact(
        "reconcile-shop"
    )
    shop.reconcile()
    assert shop.told() == ["Rules on GitHub are missing: shop, 1 standing"]
    # What cannot be read goes on standing, and is not told as gone.
    shop.github.tokens[TOKEN] -= {"administration"}
    assert "the rules on GitHub could not be looked at" in str(shop.reconcile().message)
    assert len(shop.drift()) == 1
    shop.github.tokens[TOKEN] |= {"administration"}
    shop.protect(apply=True)
    assert "0 differences (0 new, 1 gone)" in str(shop.reconcile().message)
    assert shop.told()[1:] == ["Rules on GitHub are in force again: shop, 0 standing"]
    assert shop.drift() == []


def test_rules_that_nobody_asks_for_any_more_do_not_differ(shop: Shop) -> None:
    shop.reconcile()
    assert len(shop.drift()) == 9
    shop.write(RULELESS)
    shop.reconcile()
    assert shop.drift() == []
