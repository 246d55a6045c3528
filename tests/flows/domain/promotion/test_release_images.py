"""Whether a release runs already, from the images it should."""

from __future__ import annotations

from typing import Any

import pytest

from blocks.values.facts import ContainerFact, HostFacts
from blocks.values.manifests import Manifest
from flows.domain.promotion.release_images import expected_images, is_running
from tests.flows.domain.samples import NOW, release

RELEASE = release(third_party={"db": "postgres:17@sha256:17", "cache": "redis:7"})
CONFIG = {
    "services": {
        "backend": {"build": ".", "image": "shop-backend"},
        "backend-worker": {"build": ".", "image": "shop-backend"},
        "cron": {"image": "shop-backend"},
        "db": {"image": "postgres:17"},
        "cache": {"image": "redis:7"},
    }
}
BACKEND = RELEASE.images[0].reference
MANIFEST = Manifest(
    release=RELEASE,
    environment="prod",
    promotion_id=1,
    previous_release_id=None,
    compose_files=("compose.yaml",),
    services=("backend",),
    staged_at=NOW,
)


def test_a_service_runs_the_digest_that_the_release_decides() -> None:
    assert expected_images(RELEASE, CONFIG, {"db", "cache"}) == {
        "backend": BACKEND,
        "backend-worker": BACKEND,
        # It has no `build:`, and shares the image by its name.
        "cron": BACKEND,
        "db": "postgres:17@sha256:17",
        # No registry told its digest.
        "cache": None,
    }


def test_an_image_that_a_variable_names_is_the_hosts_choice() -> None:
    assert expected_images(RELEASE, CONFIG, ())["db"] is None


def container(service: str, **changes: Any) -> ContainerFact:
    values = {"id": service, "service": service, "image": BACKEND, "status": "running"}
    return ContainerFact(**(values | changes))


def facts(*containers: ContainerFact, manifest: Manifest | None = MANIFEST) -> HostFacts:
    return HostFacts(host="web-1", manifest=manifest, env_file=None, containers=containers)


@pytest.mark.parametrize(
    ("containers", "runs"),
    [
        ((container("backend"), container("job", status="exited", exit_code=0)), True),
        ((container("backend", health="healthy"), container("job")), True),
        ((container("backend"),), False),
        ((container("backend", health="starting"), container("job")), False),
        ((container("backend", status="restarting"), container("job")), False),
        ((container("backend", image="another"), container("job")), False),
        ((container("backend"), container("job", status="exited", exit_code=1)), False),
        ((container("backend", status="exited", exit_code=137), container("job")), False),
    ],
)
def test_every_service_runs_well_or_has_done_its_work(
    containers: tuple[ContainerFact, ...], runs: bool
) -> None:
    services = {"backend": BACKEND, "job": None}
    assert is_running({"web-1": facts(*containers)}, RELEASE, services) is runs


def test_it_must_run_on_every_host() -> None:
    services = {"backend": BACKEND}
    well = facts(container("backend"))
    assert is_running({"web-1": well, "web-2": well}, RELEASE, services)
    for other in (facts(), facts(container("backend"), manifest=None)):
        assert not is_running({"web-1": well, "web-2": other}, RELEASE, services)
    another = MANIFEST.model_copy(update={"release": release(bundle_checksum="u" * 40)})
    assert not is_running({"web-1": facts(container("backend"), manifest=another)}, RELEASE, services)
