"""The configuration in `data/config.json` is what Compose 2.26 printed for `data/project`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flows.domain.compose.override import (
    BundleSpec,
    bundle_paths,
    files_labels,
    override,
    pinned_images,
    service_targets,
    third_party_images,
    written_paths,
)
from tasks.kernel.errors import RefusedError, TerminalError

DATA = Path(__file__).parent / "data"
ROOT = "/src/shop"
CONFIG: dict[str, Any] = json.loads((DATA / "config.json").read_text())
TEXTS = {
    str(path.relative_to(DATA / "project")): path.read_text()
    for path in (DATA / "project").rglob("*")
    if path.is_file()
}
TRACKED = {
    *TEXTS,
    ".env",
    "Dockerfile",
    "app/main.py",
    "common/app.env",
    "common/base.conf",
    "common/redis.conf",
    "data/.gitkeep",
    "deploy/conf/c.yml",
    "nginx/site.conf",
    "nginx/tls/a.pem",
    "nginxx",
    "secret.txt",
}
HASHES = {path: f"{index:064x}" for index, path in enumerate(sorted(TRACKED))}
REFERENCE = "registry:5000/shop/backend@sha256:" + "a" * 64


def bundle(config: Mapping[str, Any] = CONFIG, tracked: set[str] = TRACKED) -> BundleSpec:
    return bundle_paths(config, ROOT, tracked, ["compose.yaml"], TEXTS.get)


def mounting(*sources: str) -> dict[str, Any]:
    return {"services": {"web": {"volumes": [{"type": "bind", "source": source} for source in sources]}}}


def test_a_bundle_holds_exactly_what_compose_names() -> None:
    spec = bundle()
    assert spec.files == (
        ".env",
        "common/app.env",
        "common/base.conf",
        "common/base.yaml",
        "common/redis.conf",
        "common/redis.yaml",
        "compose.yaml",
        "deploy/conf/c.yml",
        "nginx/site.conf",
        "nginx/tls/a.pem",
        "secret.txt",
    )
    assert spec.untracked == (".env.local", "common/inc.env", "data")
    assert spec.outside == ("/var/run/docker.sock",)
    assert spec.env_files == (".env", ".env.local", "common/inc.env", "common/app.env")


def test_a_mounted_project_directory_is_everything_tracked() -> None:
    spec = bundle(mounting(ROOT, f"{ROOT}/"))
    assert set(spec.files) == TRACKED


def test_paths_that_leave_the_project_are_the_hosts() -> None:
    spec = bundle(mounting(f"{ROOT}/../other", "/src/shopping", f"{ROOT}/a/../../x", f"{ROOT}/./nginx"))
    assert set(spec.outside) == {f"{ROOT}/../other", "/src/shopping", f"{ROOT}/a/../../x"}
    assert "nginx/site.conf" in spec.files


def test_what_links_lead_to_comes_along() -> None:
    links = {
        "site": "nginx",
        "conf": "deploy/conf",
        "certs": "/etc/ssl",
        "round": "round",
        "site.d": "./site/tls/",
    }
    tracked = {*TRACKED, *links, "lib"}
    config = mounting(
        *(f"{ROOT}/{path}" for path in ("site/site.conf", "conf", "certs/a", "round", "site.d/a.pem"))
    )
    spec = bundle_paths(config, ROOT, tracked, [], TEXTS.get, links)
    assert spec.files == (
        "certs",
        "conf",
        "deploy/conf/c.yml",
        "nginx/site.conf",
        "nginx/tls/a.pem",
        "round",
        "site",
        "site.d",
    )
    assert spec.untracked == ()
    assert written_paths(mounting(f"{ROOT}/site/tls"), ROOT, links) == ("nginx/tls", "site/tls")
    before = files_labels(config, ROOT, HASHES | dict.fromkeys(links, "0" * 64), links)
    for changed in ("deploy/conf/c.yml", "site"):
        hashes = HASHES | dict.fromkeys(links, "0" * 64) | {changed: "f" * 64}
        assert files_labels(config, ROOT, hashes, links) != before


def test_what_lies_in_a_submodule_is_no_folder_of_data() -> None:
    spec = bundle_paths(mounting(f"{ROOT}/lib/conf"), ROOT, {*TRACKED, "lib"}, [], TEXTS.get)
    assert (spec.files, spec.untracked) == (("lib",), ())


@pytest.mark.parametrize("device", ["./data", f"{ROOT}/data", ROOT])
@pytest.mark.parametrize("options", ["bind", "rw,bind"])
def test_a_volume_that_binds_a_folder_of_the_project_is_refused(device: str, options: str) -> None:
    volume = {"driver": "local", "driver_opts": {"type": "none", "o": options, "device": device}}
    with pytest.raises(RefusedError, match="volume files binds"):
        bundle_paths({"volumes": {"files": volume}}, ROOT, (), [], TEXTS.get)


@pytest.mark.parametrize(
    "volume",
    [
        None,
        {"driver_opts": {"o": "bind", "device": "/srv/data"}},
        {"driver_opts": {"type": "nfs", "o": "addr=10.0.0.1,rw", "device": ":/export"}},
        {"driver_opts": {"o": "bind"}},
    ],
)
def test_other_volumes_are_the_engines_own(volume: Any) -> None:
    assert bundle_paths({"volumes": {"files": volume}}, ROOT, (), [], TEXTS.get).files == ()


def test_secrets_from_elsewhere_are_no_files() -> None:
    config = {
        "services": {"web": {"secrets": [{"source": "pw"}, {"source": "gone"}], "configs": [{}]}},
        "secrets": {"pw": {"environment": "PW"}, "x": None},
    }
    assert bundle(config).files == bundle({}).files
    assert files_labels(config, ROOT, HASHES) == {}


PARTS = st.lists(st.sampled_from(["..", ".", "a", "nginx", "data", "etc", ""]), max_size=6).map("/".join)


@given(st.lists(PARTS, max_size=4), st.booleans())
def test_no_path_of_a_bundle_leaves_the_project(parts: list[str], below: bool) -> None:
    spec = bundle(mounting(*(f"{ROOT}/{part}" if below else f"/{part}" for part in parts)))
    assert set(spec.files) <= TRACKED
    for path in spec.untracked:
        assert not path.startswith(("/", ".."))


def test_only_services_that_mount_files_of_the_bundle_get_a_fingerprint() -> None:
    labels = files_labels(CONFIG, ROOT, HASHES)
    assert sorted(labels) == ["backend", "ext", "redis"]
    assert all(len(label) == 16 for label in labels.values())


@pytest.mark.parametrize(
    ("path", "services"),
    [
        ("nginx/site.conf", {"backend"}),
        ("secret.txt", {"backend"}),
        ("deploy/conf/c.yml", {"backend"}),
        ("common/redis.conf", {"redis"}),
        ("app/main.py", set()),
        ("compose.yaml", set()),
        ("nginxx", set()),
    ],
)
def test_a_fingerprint_changes_exactly_with_the_files_of_its_service(path: str, services: set[str]) -> None:
    before = files_labels(CONFIG, ROOT, HASHES)
    after = files_labels(CONFIG, ROOT, HASHES | {path: "f" * 64})
    assert {name for name in before if before[name] != after[name]} == services


def test_a_new_file_in_a_mounted_folder_changes_the_fingerprint() -> None:
    before = files_labels(CONFIG, ROOT, HASHES)
    assert files_labels(CONFIG, ROOT, HASHES | {"nginx/new.conf": "0" * 64})["backend"] != before["backend"]


def test_nothing_of_ours_mounted_means_no_fingerprint() -> None:
    assert files_labels(mounting("/etc/hosts", f"{ROOT}/data"), ROOT, HASHES) == {}
    assert files_labels({}, ROOT, HASHES) == {}


def test_services_that_only_name_a_built_image_run_it_too() -> None:
    ours = service_targets(CONFIG, {"backend": "app", "gone": "app"})
    assert ours == {"backend": "app", "worker": "app"}
    assert third_party_images(CONFIG, ours) == {"db": "postgres:17", "ext": "busybox", "redis": "redis:7"}


def test_what_is_not_built_here_is_pinned_where_the_release_knows_its_digest() -> None:
    pin = f"postgres:17@sha256:{'a' * 64}"
    known = {"db": pin, "redis": "redis:7", "gone": pin}
    assert pinned_images(CONFIG, known, {"db", "redis", "ext"}) == {"db": pin}
    assert pinned_images({"services": {"db": {"image": pin}}}, known, {"db"}) == {"db": pin}
    # Another image in this environment's files, or one the host's env file decides about.
    assert pinned_images({"services": {"db": {"image": "postgres:16"}}}, known, {"db"}) == {}
    assert pinned_images(CONFIG, known, {"redis"}) == {}


def test_services_without_an_image_name_share_nothing() -> None:
    config = {"services": {"a": {"build": {}}, "b": {"build": {}}, "c": {"image": "x"}}}
    assert service_targets(config, {"a": "a", "b": "b"}) == {"a": "a", "b": "b"}


def test_the_override_pins_what_is_ours_and_leaves_the_rest_alone() -> None:
    text = override(CONFIG, dict.fromkeys(("backend", "worker"), REFERENCE), {"backend": "f1", "redis": "f2"})
    assert text == (
        "services:\n"
        '  "backend":\n'
        f'    image: "{REFERENCE}"\n'
        "    build: !reset null\n"
        "    pull_policy: missing\n"
        "    labels:\n"
        '      sluice.files: "f1"\n'
        '  "redis":\n'
        "    labels:\n"
        '      sluice.files: "f2"\n'
        '  "worker":\n'
        f'    image: "{REFERENCE}"\n'
        "    build: !reset null\n"
    )


def test_no_service_asks_a_registry_for_what_lies_on_the_host() -> None:
    """`compose run`, with which a migration runs, has no option for it in the oldest Compose that will do."""
    services = {
        "db": {"image": "db:1", "pull_policy": "always"},
        "own": {"image": "own:1", "pull_policy": "never"},
    }
    assert override({"services": services}, {}, {}) == 'services:\n  "db":\n    pull_policy: missing\n'


def test_an_override_never_adds_a_service() -> None:
    text = override({"services": {"db": {"image": "postgres"}}}, {"gone": REFERENCE}, {"gone": "f"})
    assert text == "services: {}\n"


def test_a_built_service_without_an_image_is_an_error() -> None:
    with pytest.raises(TerminalError, match="service backend is built, and the release has no image for it"):
        override(CONFIG, {}, {})


class Tolerant(yaml.SafeLoader):
    pass


Tolerant.add_constructor("!reset", lambda _loader, _node: None)
# JSON writes what lies beyond 16 bits as two escapes, which YAML reads as two characters.
NAMES = st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF), min_size=1, max_size=20)


@given(st.dictionaries(NAMES, NAMES, max_size=4))
def test_an_override_says_what_it_was_given_whatever_that_is(images: dict[str, str]) -> None:
    config: dict[str, Any] = {"services": {name: {"build": {}} for name in images}}
    read = yaml.load(override(config, images, {}), Loader=Tolerant)  # noqa: S506
    services = read["services"] or {}
    assert {
        name.replace("$$", "$"): one["image"].replace("$$", "$") for name, one in services.items()
    } == images
    assert all(one["build"] is None and "labels" not in one for one in services.values())


def test_what_containers_may_write_to_is_told() -> None:
    config = mounting(f"{ROOT}/data", f"{ROOT}/acme.json", "/etc/hosts", f"{ROOT}/data")
    config["services"]["web"]["volumes"] += [
        {"type": "bind", "source": f"{ROOT}/conf", "read_only": True},
        {"type": "volume", "source": "named"},
    ]
    assert written_paths(config, ROOT) == ("acme.json", "data")
    assert written_paths(mounting(ROOT), ROOT) == (".",)
