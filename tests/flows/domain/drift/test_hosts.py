"""Where a host differs from the ledger, and where it does not."""

from __future__ import annotations

from typing import Any

import pytest

from blocks.values.drift import Difference, HostState, OtherContainer
from blocks.values.facts import ContainerFact, HostFacts
from blocks.values.manifests import Manifest
from flows.domain.compose.override import override
from flows.domain.drift.hosts import MOST_FILES, Expected, find_drift, heads, mend, pinned
from flows.domain.drift.view import cut_text, drift_text, reconcile_markdown
from tests.flows.domain import samples
from tests.flows.domain.samples import HOSTILE, image, release, revisions

SERVICES = ("backend", "backend-worker", "db", "frontend", "frontend-worker")
FILES = {"compose.yaml": "a" * 64, "sluice.override.yaml": "b" * 64}
OVERRIDE = override(
    {"services": {name: {} for name in SERVICES}},
    {service: one.reference for one in release().images for service in one.services},
    {},
)


def manifest(**changes: Any) -> Manifest:
    values = {"env_file": ".env.prod", "services": SERVICES, "checksums": FILES, "env_keys": ("A", "B")}
    return samples.manifest(7, **(values | changes))


def container(service: str, **changes: Any) -> ContainerFact:
    images = {service: one.reference for one in release().images for service in one.services}
    values = {
        "id": service,
        "service": service,
        "image": images.get(service, "postgres:17"),
        "status": "running",
    }
    return ContainerFact(**values | changes)


def state(
    *, facts: dict[str, Any] | None = None, brought: dict[str, Any] | None = None, **changes: Any
) -> HostState:
    values: dict[str, Any] = {
        "host": "web-1",
        "manifest": manifest(**(brought or {})),
        "env_file": ".env.prod",
        "env_keys": ("A", "B"),
        "database_running": True,
        "revision": "b2",
        "containers": tuple(container(service) for service in SERVICES),
    }
    return HostState(
        **{"facts": HostFacts(**values | (facts or {})), "files": FILES, "override": OVERRIDE} | changes
    )


def expected(**changes: Any) -> Expected:
    values: dict[str, Any] = {
        "pipeline": "shop",
        "release": release(),
        "promotion_id": 7,
        "required": ("A",),
        "revisions": ("b2",),
    }
    return Expected(**values | changes)


def found(seen: HostState, wanted: Expected | None = None) -> list[tuple[str, str]]:
    return [(one.kind, one.subject) for one in find_drift(wanted or expected(), seen)]


def test_nothing_differs() -> None:
    assert find_drift(expected(), state()) == ()


def test_where_nothing_ran_nothing_differs() -> None:
    nothing = expected(release=None, promotion_id=None, required=(), revisions=())
    assert find_drift(nothing, state(facts={"manifest": None, "containers": ()}, files={}, override="")) == ()


@pytest.mark.parametrize(
    ("seen", "detail"),
    [
        ({"manifest": None}, "the host says nothing"),
        ({"manifest": manifest(release=release(id="20250101000000-ffffffffffff"))}, "the host says 2025"),
    ],
)
def test_another_release_is_current(seen: dict[str, Any], detail: str) -> None:
    first = find_drift(expected(), state(facts=seen))[0]
    assert (first.host, first.kind, first.subject) == ("web-1", "release", "current")
    assert detail in first.detail


def test_a_host_runs_what_the_ledger_does_not_know() -> None:
    assert found(state(), expected(release=None)) == [("release", "current")]


def test_digests_in_the_manifest_that_are_not_the_ledgers() -> None:
    other = release(images=(image("backend", "f"), image("frontend", "b")))
    assert ("release", "sluice.manifest.json") in found(state(brought={"release": other}))


def test_another_image_runs() -> None:
    swapped = tuple(
        container(one, **({"image": "patched:latest"} if one == "backend" else {})) for one in SERVICES
    )
    (one,) = find_drift(expected(), state(facts={"containers": swapped}))
    assert (one.kind, one.subject) == ("image", "backend")
    assert "patched:latest" in one.detail
    assert "sha256:aaaa" in one.detail


def test_without_its_override_the_release_says_which_images() -> None:
    swapped = tuple(container(one, image="x") for one in SERVICES)
    kinds = found(state(facts={"containers": swapped}, override="services: [", files=FILES))
    assert kinds == [("image", one) for one in SERVICES if one != "db"]


def test_pins_are_read_from_what_was_written() -> None:
    text = override(
        {"services": {"a": {"build": {}}, "b": {}}}, {"a": "r/a@sha256:1", "b": "r/$b@sha256:2"}, {"b": "f"}
    )
    assert pinned(text) == {"a": "r/a@sha256:1", "b": "r/$b@sha256:2"}
    assert pinned("") == pinned("- a") == pinned("services: {a: 1}") == pinned("!!python/none x: {") == {}


@pytest.mark.parametrize(
    ("status", "code", "differs"),
    [
        ("running", 0, False),
        ("exited", 0, False),
        ("exited", 137, True),
        ("dead", 1, True),
        ("restarting", 1, True),
    ],
)
def test_a_service_that_does_not_run(status: str, code: int, *, differs: bool) -> None:
    one = container("db", status=status, exit_code=code)
    seen = (*(container(name) for name in SERVICES if name != "db"), one)
    assert found(state(facts={"containers": seen})) == ([("service", "db")] if differs else [])


def test_a_service_without_container() -> None:
    assert ("service", "db") in found(state(facts={"containers": (container("backend"),)}))


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({}, False),
        ({"project": "shop", "service": "backend"}, False),
        ({"project": "shop", "service": "old"}, True),
        ({"project": "shop", "service": "old", "running": False}, False),
        ({"project": "shop", "service": "backend", "one_off": True}, True),
        ({"project": "shop", "service": "backend", "one_off": True, "name": "sluice-shop-migrate-7"}, False),
        ({"networks": ("shop_default",)}, True),
        ({"networks": ("shop_default",), "project": "proxy"}, False),
        ({"networks": ("shopping_default",)}, False),
        ({"image": "registry:5000/shop/backend:patched"}, True),
        ({"image": image().reference}, True),
        ({"image": "registry:5000/shop/backend-other:1"}, False),
    ],
)
def test_containers_of_strangers(changes: dict[str, Any], *, differs: bool) -> None:
    one = OtherContainer(**{"name": "console", "image": "busybox"} | changes)
    assert found(state(containers=(one,))) == ([("container", one.name)] if differs else [])


@pytest.mark.parametrize(
    ("files", "subject", "detail"),
    [
        (FILES | {"compose.yaml": "c" * 64}, "compose.yaml", "was changed by hand"),
        (FILES | {"notes": "c" * 64}, "notes", "is no part of the bundle"),
        ({"compose.yaml": "a" * 64}, "sluice.override.yaml", "is missing, or cannot be read"),
    ],
)
def test_a_bundle_that_was_touched(files: dict[str, str], subject: str, detail: str) -> None:
    assert find_drift(expected(), state(files=files)) == (Difference("web-1", "bundle", subject, detail),)


def test_a_bundle_of_an_earlier_version_is_not_compared() -> None:
    assert find_drift(expected(), state(brought={"checksums": {}})) == ()


def test_of_very_many_files_some_are_named() -> None:
    many = FILES | {f"log/{number}": "c" * 64 for number in range(100)}
    lines = find_drift(expected(), state(files=many))
    assert len(lines) == MOST_FILES + 1
    assert lines[-1].detail == "80 more files differ"


@pytest.mark.parametrize(
    ("keys", "subjects"),
    [(("A", "B"), []), (("B",), ["A"]), (("A",), ["B"]), (("A", "B", "C"), ["C"]), ((), ["A", "B"])],
)
def test_keys_that_are_missing_vanished_or_new(keys: tuple[str, ...], subjects: list[str]) -> None:
    assert found(state(facts={"env_keys": keys})) == [("env", subject) for subject in subjects]


def test_after_a_rollback_only_required_keys_count() -> None:
    assert found(state(facts={"env_keys": ("A", "C")}), expected(promotion_id=8)) == []
    assert found(state(facts={"env_keys": ("C",)}), expected(promotion_id=8)) == [("env", "A")]


def test_an_env_file_that_is_gone_or_never_was() -> None:
    gone = {"env_file": None, "env_keys": ()}
    assert found(state(facts=gone)) == [("env", ".env.prod")]
    assert found(state(facts=gone, brought={"env_file": None, "env_keys": ()}), expected(required=())) == []


@pytest.mark.parametrize(
    ("facts", "revisions", "differs"),
    [
        ({"revision": "b2"}, ("b2",), False),
        ({"revision": "c3"}, ("b2", "c3"), False),
        ({"revision": "c3"}, ("b2",), True),
        ({"revision": None}, ("b2",), True),
        ({"revision": None}, (), False),
        ({"revision": None, "database_running": False}, ("b2",), False),
    ],
)
def test_a_schema_that_nobody_brought(
    facts: dict[str, Any], revisions: tuple[str, ...], *, differs: bool
) -> None:
    seen = found(state(facts=facts), expected(revisions=revisions))
    assert seen == ([("schema", "database")] if differs else [])


def test_heads_are_what_nothing_follows() -> None:
    assert heads(revisions("a1", "b2")) == "b2"
    assert heads((*revisions("a1", "b2"), *revisions("x9"))) == "b2,x9"
    assert heads(()) == ""


KINDS = (
    "release",
    "image",
    "service",
    "container",
    "bundle",
    "env",
    "schema",
    "unreachable",
    "promotion",
    "protection",
    "relaxation",
)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_mend(kind: str) -> None:
    assert mend(kind, "prod") != mend("unknown", "prod")
    assert "{" not in mend(kind, "prod")


def test_people_are_told_what_is_new_and_what_is_gone() -> None:
    new = [Difference("web-1", "bundle", "compose.yaml", "was changed by hand")]
    text = drift_text("shop", "prod", new, [], 1)
    assert text.splitlines() == [
        "Differs from the ledger: shop prod, 1 standing",
        "- web-1: bundle compose.yaml was changed by hand",
        "  restore the file, or commit the change and promote it",
    ]
    assert (
        drift_text("shop", "prod", [], new, 0).splitlines()[0]
        == "As the ledger says again: shop prod, 0 standing"
    )
    assert drift_text("shop", "prod", [], new, 2).startswith("Differs less")
    assert "… and 5 more" in drift_text("shop", "prod", new * 25, [], 25)


def test_what_comes_from_hosts_cannot_act_on_whoever_reads_it() -> None:
    one = Difference("web-1", "bundle", HOSTILE, HOSTILE)
    told = drift_text("shop", "prod", [one], [], 1) + cut_text("shop", "prod", HOSTILE)
    assert "\u202e" not in told
    assert len(told.splitlines()) == 3
    report = reconcile_markdown("shop", [("prod", HOSTILE)], [("prod", one)], [HOSTILE])
    assert "<img" not in report
    assert "[a](" not in report
    assert "{{" not in report


def test_a_report_of_nothing_says_so() -> None:
    report = reconcile_markdown("shop", [], [], [])
    assert "There was nothing to do." in report
    assert "There are none." in report
    assert "Not looked at" not in report
