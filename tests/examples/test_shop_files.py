"""The shop's files fit together, and its later versions apply to its first one."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.lab.repository import git
from tests.lab.shop_repository import AUTHOR_EMAIL, SHOP, ShopRepository, database_password, env_text

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = ("v2", "v3", "v4")

# What the deployment gives; no env file has it.
GIVEN_BY_SLUICE = {"SLUICE_RELEASE"}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> ShopRepository:
    return ShopRepository.create(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def commits(repository: ShopRepository) -> dict[str, str]:
    return {"v1": repository.head} | {version: repository.advance(version) for version in VERSIONS}


def show(repository: ShopRepository, commit: str, path: str) -> str:
    return git(repository.origin, "show", f"{commit}:{path}")


def keys(env_file: str) -> set[str]:
    return {line.partition("=")[0] for line in env_file.splitlines() if line and not line.startswith("#")}


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def test_the_versions_apply_in_order_and_each_names_itself(
    repository: ShopRepository, commits: dict[str, str]
) -> None:
    shown = [
        re.findall(r'__version__ = "(.*)"', show(repository, commit, "backend/shop/__init__.py"))
        for commit in commits.values()
    ]

    assert shown == [["1.0.0"], ["1.1.0"], ["1.2.0"], ["1.2.1"]]
    assert git(repository.origin, "rev-parse", "main") == commits["v4"]


def test_only_the_second_version_migrates(repository: ShopRepository, commits: dict[str, str]) -> None:
    revisions = {
        version: git(
            repository.origin, "ls-tree", "--name-only", commit, "backend/migrations/versions/"
        ).splitlines()
        for version, commit in commits.items()
    }

    assert [len(revisions[version]) for version in ("v1", *VERSIONS)] == [2, 3, 3, 3]


def test_the_fourth_version_withdraws_the_third(repository: ShopRepository, commits: dict[str, str]) -> None:
    changed = git(repository.origin, "diff", "--name-only", commits["v2"], commits["v4"]).splitlines()

    assert changed == ["backend/shop/__init__.py", "backend/shop/api.py", "backend/tests/test_api.py"]


def test_the_third_version_needs_what_no_deployment_has(
    repository: ShopRepository, commits: dict[str, str]
) -> None:
    assert "SHOP_MAIL_URL" in show(repository, commits["v3"], "backend/shop/settings.py")
    assert "SHOP_MAIL_URL" in show(repository, commits["v3"], "compose.override.yaml")
    assert "SHOP_MAIL_URL" not in show(repository, commits["v3"], "compose.yaml")
    assert "SHOP_MAIL_URL" not in show(repository, commits["v3"], ".env.example")


def test_the_commits_are_the_developers(repository: ShopRepository, commits: dict[str, str]) -> None:
    authors = git(repository.origin, "log", "--format=%ae", commits["v4"]).splitlines()

    assert set(authors) == {AUTHOR_EMAIL}
    assert git(repository.origin, "log", "-1", "--format=%s", commits["v2"]).startswith("Let customers add")


def test_tags_branches_and_merges_reach_the_origin(tmp_path: Path) -> None:
    repository = ShopRepository.create(tmp_path)
    repository.branch("feature/x")
    changed = repository.commit_file("docs/x.md", "x\n", "Say x")
    repository.switch("main")
    merged = repository.merge("feature/x")
    repository.tag("v1.0.0")

    assert repository.current_branch == "main"
    assert git(repository.origin, "rev-parse", "feature/x") == changed
    assert git(repository.origin, "rev-parse", "main", "v1.0.0^{commit}").splitlines() == [merged, merged]


def test_nothing_of_a_developers_machine_is_committed(
    repository: ShopRepository, commits: dict[str, str]
) -> None:
    tracked = git(repository.origin, "ls-tree", "-r", "--name-only", commits["v1"]).splitlines()

    assert ".env.example" in tracked
    assert not [path for path in tracked if path.endswith((".env", ".pyc"))]


def test_the_pipeline_is_short_and_names_what_compose_has() -> None:
    pipeline, compose = load(SHOP / "pipeline.yaml"), load(SHOP / "compose.yaml")

    assert len((SHOP / "pipeline.yaml").read_text(encoding="utf-8").splitlines()) <= 40
    assert list(pipeline["environments"]) == ["feature", "staging", "prod"]
    assert {pipeline["migration"]["service"], pipeline["backup"]["service"]} <= set(compose["services"])
    assert all((SHOP / name).is_file() for name in pipeline["compose"])


def test_the_example_env_file_has_what_compose_and_the_application_read() -> None:
    compose = (SHOP / "compose.yaml").read_text(encoding="utf-8")
    interpolated = set(re.findall(r"\$\{(\w+)", compose)) - GIVEN_BY_SLUICE
    read = set(re.findall(r"SHOP_\w+", (SHOP / "backend/shop/settings.py").read_text(encoding="utf-8")))
    example = keys((SHOP / ".env.example").read_text(encoding="utf-8"))

    assert example == interpolated | (read - {"SHOP_RELEASE"})


@pytest.mark.parametrize("environment", ["feature", "staging", "prod"])
def test_the_labs_env_files_have_every_key_and_their_own_secrets(environment: str) -> None:
    text = env_text(environment)

    assert keys(text) == keys((SHOP / ".env.example").read_text(encoding="utf-8"))
    assert database_password(environment) in text
    assert "changethis" not in text


def test_every_service_is_checked_and_comes_back() -> None:
    services = load(SHOP / "compose.yaml")["services"]

    assert set(services) == {"backend", "worker", "scheduler", "frontend", "db"}
    for name, service in services.items():
        assert {"healthcheck", "restart"} <= set(service), name
        assert "container_name" not in service, name


def test_what_compose_mounts_and_builds_is_tracked() -> None:
    services = load(SHOP / "compose.yaml")["services"]
    mounted = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", ())]
    built = {service["build"] for service in services.values() if "build" in service}

    assert [path for path in mounted if path.startswith(".")] == ["./ops/nginx/shop.conf"]
    assert (SHOP / "ops/nginx/shop.conf").is_file()
    assert built == {"./backend", "./frontend"}
    assert all((SHOP / context / "Dockerfile").is_file() for context in built)


@pytest.mark.parametrize("context", ["backend", "frontend"])
def test_dockerfiles_need_no_front_end_image(context: str) -> None:
    text = (SHOP / context / "Dockerfile").read_text(encoding="utf-8")

    assert text.startswith("FROM ")
    assert "syntax=" not in text


@pytest.mark.parametrize("version", ["v1", "v3", "v4"])
def test_the_shops_own_tests_pass(version: str, tmp_path: Path) -> None:
    repository = ShopRepository.create(tmp_path)
    for later in VERSIONS[: int(version[1:]) - 1]:
        repository.advance(later)

    done = subprocess.run(
        (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "backend"),
        cwd=repository.work,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
