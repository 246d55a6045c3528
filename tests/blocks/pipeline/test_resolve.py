"""What decides comes from one side, what describes from the other; environments inherit and replace."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from blocks.pipeline import (
    Backup,
    CommandCheck,
    HttpCheck,
    Migration,
    Pipeline,
    PipelineError,
    Policy,
    ReleaseDescription,
    load_pipeline,
)
from tests.blocks.pipeline.texts import FULL, SMALLEST


@pytest.fixture
def pipeline() -> Pipeline:
    return load_pipeline(FULL)


def test_an_environment_inherits(pipeline: Pipeline) -> None:
    staging, described = pipeline.policy("staging"), pipeline.describe("staging")
    assert staging.smoke == pipeline.smoke
    assert described.compose == ("compose.yaml",)
    assert described.migration == pipeline.migration
    assert staging.backup == pipeline.backup
    assert staging.notify == ("team",)
    assert staging.timeouts.pull == 600
    assert staging.keep_releases == 5


def test_an_environment_replaces(pipeline: Pipeline) -> None:
    prod, described = pipeline.policy("prod"), pipeline.describe("prod")
    assert prod.hosts == ("prod-1", "prod-2")
    assert described.compose == ("compose.yaml", "compose.prod.yaml")
    assert described.profiles == ("worker",)
    assert [type(check) for check in prod.smoke] == [HttpCheck]
    assert prod.notify == ()
    assert prod.timeouts.up == 90
    assert prod.keep_releases == 8
    assert prod.branch is None
    assert prod.env_files == (".env.prod", ".env")


def test_data_is_the_default_branchs_word_and_replaced_as_a_whole() -> None:
    text = SMALLEST.replace("branches: main", "branches: main\n    data: {./cache/: release}")
    written = load_pipeline(f"{text}data: {{./data: carry, .: release}}\n")
    assert written.data == {"data": "carry", ".": "release"}
    assert written.policy("prod").data == {"cache": "release"}
    assert "data" not in ReleaseDescription.model_fields
    assert load_pipeline(SMALLEST).policy("prod").checksum != written.policy("prod").checksum


def test_null_takes_away_what_would_be_inherited() -> None:
    text = FULL.replace("    approvals: null\n", "    backup: null\n    migration: null\n")
    pipeline = load_pipeline(text)
    assert pipeline.policy("feature").backup is None
    assert pipeline.describe("feature").migration is None


@pytest.mark.parametrize(
    ("branches", "head"),
    [("main", "main"), ("[feature/*, main]", "main"), ("[main, next]", None), ("[feature/*]", None)],
)
def test_the_head_is_the_only_branch_that_is_no_pattern(branches: str, head: str | None) -> None:
    text = SMALLEST.replace("branches: main", f"branches: {branches}")
    assert load_pipeline(text).policy("prod").branch == head


@pytest.mark.parametrize("method", ["policy", "describe"])
def test_an_unknown_environment_is_told_with_the_nearest(pipeline: Pipeline, method: str) -> None:
    with pytest.raises(PipelineError) as caught:
        getattr(pipeline, method)("prd")
    assert str(caught.value).endswith('pipeline "shop" has no environment "prd" — did you mean "prod"?')


def test_what_describes_cannot_decide_and_the_other_way_round() -> None:
    decides = set(Policy.model_fields) - {"pipeline"}
    describes = set(ReleaseDescription.model_fields) - {"pipeline"}
    assert not decides & describes
    # About no one environment, and read where the default branch's pipeline is.
    whole = {"pipeline", "environments", "protect", "pull_requests"}
    assert not whole & (decides | describes)
    assert set(Pipeline.model_fields) - whole <= decides | describes


def test_a_branch_cannot_choose_the_secrets_of_its_build(pipeline: Pipeline) -> None:
    assert pipeline.describe("prod").build.secrets == {}
    assert pipeline.policy("prod").build_secrets == {"npm": "npm-token"}


def test_the_example_file_is_required_only_when_named(pipeline: Pipeline) -> None:
    assert pipeline.describe("prod").env_example_required
    assert not load_pipeline(SMALLEST).describe("prod").env_example_required


CHANGES_POLICY = [
    ("required: 2", "required: 1"),
    ("hosts: [prod-1, prod-2]", "hosts: [prod-1]"),
    ("tags: [v*]", "tags: ['*']"),
    ("smoke: [{http: /}]", "smoke: [{http: /, within: 1s}]"),
    ("npm: npm-token", "npm: other-token"),
    ("registry: main", "registry: other"),
]
KEEPS_POLICY = [
    ("compose: [compose.yaml, compose.prod.yaml]", "compose: [other.yaml]"),
    ("[alembic, upgrade, head]", "[alembic, upgrade, '+1']"),
    ("PORT: 8080", "PORT: 9090"),
    ("approvals: null", "approvals: {approvers: eve}"),
    ("expires: 24h", "expires: 1d"),
]


@pytest.mark.parametrize(("old", "new"), CHANGES_POLICY)
def test_the_checksum_changes_with_what_decides(pipeline: Pipeline, old: str, new: str) -> None:
    assert old in FULL
    assert load_pipeline(FULL.replace(old, new)).policy("prod").checksum != pipeline.policy("prod").checksum


@pytest.mark.parametrize(("old", "new"), KEEPS_POLICY)
def test_the_checksum_ignores_what_describes_and_other_environments(
    pipeline: Pipeline, old: str, new: str
) -> None:
    assert old in FULL
    assert load_pipeline(FULL.replace(old, new)).policy("prod").checksum == pipeline.policy("prod").checksum


def test_everything_comes_back_from_json(pipeline: Pipeline) -> None:
    again = Pipeline.from_json(pipeline.to_json())
    assert again == pipeline
    for name in pipeline.names:
        assert again.policy(name) == pipeline.policy(name)
        assert Policy.from_json(pipeline.policy(name).to_json()) == pipeline.policy(name)
        assert again.policy(name).checksum == pipeline.policy(name).checksum
        assert again.describe(name) == pipeline.describe(name)


def test_everything_is_frozen(pipeline: Pipeline) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        pipeline.policy("prod").hosts = ("evil",)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("command", "prefix"),
    [
        (("alembic", "upgrade", "head"), ("alembic",)),
        (("alembic", "-c", "ops/a.ini", "upgrade", "head"), ("alembic", "-c", "ops/a.ini")),
        (("uv", "run", "alembic", "upgrade", "head"), ("uv", "run", "alembic")),
        (("python", "-m", "alembic", "upgrade", "head"), ("python", "-m", "alembic")),
        (("/venv/bin/alembic", "upgrade", "head"), ("/venv/bin/alembic",)),
        (("alembic", "current"), ("alembic",)),
        (("python", "manage.py", "migrate"), None),
        (("upgrade", "everything"), None),
    ],
)
def test_alembic_is_recognised(command: tuple[str, ...], prefix: tuple[str, ...] | None) -> None:
    assert Migration(service="app", command=command).alembic == prefix


def test_a_backup_is_postgresqls_own_unless_there_is_a_command() -> None:
    assert Backup(service="db").built_in
    assert not Backup(service="backup", command=("ops/dump.sh",)).built_in


def test_placeholders_are_filled_once_and_other_braces_kept() -> None:
    check = CommandCheck(command=("x", "{address}/{release}", "%{http_code}", '{"a":1}', "{commit}"))
    words = check.filled(address="http://h", release="{commit}", commit="abc")
    assert words == ("x", "http://h/{commit}", "%{http_code}", '{"a":1}', "abc")
    assert check.service is None


ASKING = """\
pipeline: shop
environments:
{environments}
"""


@pytest.mark.parametrize(
    ("environments", "expected"),
    [
        ({"staging": "approvers: [ana, ben]", "prod": "approvers: [ana, ben]"}, {"staging": 1, "prod": 2}),
        ({"staging": "approvers: [ana, ben]", "prod": "approvers: [ana]"}, {"staging": 1, "prod": 1}),
        ({"staging": "approvers: [ana, ben]", "prod": "approvers: [ana, ben], required: 1"}, {"prod": 1}),
        ({"staging": "approvers: [ana, ben], required: 2", "prod": "approvers: [ana, ben]"}, {"staging": 2}),
        ({"prod": "approvers: [ana, ben]"}, {"prod": 1}),
    ],
)
def test_the_last_of_several_environments_asks_two_where_nothing_else_is_written(
    environments: dict[str, str], expected: dict[str, int]
) -> None:
    lines = [
        f"  {name}: {{hosts: [{name}], branches: main, approvals: {{{text}}}}}"
        for name, text in environments.items()
    ]
    pipeline = load_pipeline(ASKING.format(environments="\n".join(lines)))
    found = {name: pipeline.policy(name).approvals for name in expected}
    assert {name: one.required if one else 0 for name, one in found.items()} == expected


def test_an_update_of_sluice_leaves_the_checksum_as_it_was(pipeline: Pipeline) -> None:
    # As version b685396 made them: what waits across the update goes on under the policy it was planned with.
    before = {
        "feature": "248aac607e20f11f360c27cd49745dbd4052460057efba039bcdc71e494b4399",
        "staging": "df5a27e47680f0dc650b750bc3231264eb8d7447f95abbdadf415ee3031304a0",
        "prod": "a7db71e20c9f7ad62beb97f999557f226da0c30d80748d7436750a2c83cb68a6",
    }
    assert {name: pipeline.policy(name).checksum for name in pipeline.names} == before
    empty = FULL.replace("keep: 10}", "keep: 10, may_be_empty: true}")
    assert load_pipeline(empty).policy("prod").checksum != before["prod"]
