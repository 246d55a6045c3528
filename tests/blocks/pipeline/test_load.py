"""What a pipeline may say, and what the message is where it may not."""

# ruff: noqa: E501 - a case and its message stand side by side

from __future__ import annotations

import pickle

import pytest

from blocks.pipeline import PipelineError, load_pipeline
from tests.blocks.pipeline.texts import FULL, SMALLEST


def problems_of(text: str) -> list[str]:
    with pytest.raises(PipelineError) as caught:
        load_pipeline(text)
    return str(caught.value).splitlines()


def test_every_key_may_be_given() -> None:
    pipeline = load_pipeline(FULL)
    assert pipeline.names == ("feature", "staging", "prod")
    assert pipeline.build.args == {"PORT": "8080"}
    assert pipeline.build.timeout == 1800
    assert pipeline.smoke[0].model_dump()["json"] == {"status": "ok"}
    assert pipeline.environments["prod"].approvals is not None
    assert pipeline.environments["prod"].approvals.expires == 86400


def test_five_lines_are_enough() -> None:
    pipeline = load_pipeline(SMALLEST)
    environment = pipeline.policy("prod")
    assert environment.registry == "main"
    assert environment.hosts == ("prod",)
    assert environment.branch == "main"
    assert environment.env_files == (".env.prod", ".env")
    assert pipeline.describe("prod").compose == ()
    assert environment.approvals is None
    assert environment.backup is None
    assert environment.keep_releases == 5


def test_the_message_has_file_line_path_and_nearest_spelling() -> None:
    text = SMALLEST + "    approvals:\n      requird: 1\n      approvers: [ana]\n"
    with pytest.raises(PipelineError) as caught:
        load_pipeline(text, file="ops/pipeline.yaml")
    expected = (
        'ops/pipeline.yaml:7: environments.prod.approvals.requird: unknown key — did you mean "required"?'
    )
    assert str(caught.value) == expected
    (problem,) = caught.value.problems
    assert (problem.line, problem.path[-1]) == (7, "requird")


def test_an_error_survives_pickling() -> None:
    with pytest.raises(PipelineError) as caught:
        load_pipeline("pipeline: 7")
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
    assert str(again) == str(caught.value)


TOP = "pipeline: shop\n"
TAIL = "environments: {prod: {hosts: prod, branches: main}}\n"

ONE_PROBLEM = [
    ("regsitry: main", 'regsitry: unknown key — did you mean "registry"?'),
    ("registry: Main", 'registry: expected a block\'s name: lower-case letters, digits, dashes, got "Main"'),
    ("compose: /etc/passwd", 'compose: expected a relative path inside the folder, without "..", ":"'),
    ("compose: [a.yaml, a.yaml]", 'compose: "a.yaml" is listed twice — remove one'),
    ("compose: null", "compose: expected text, got null"),
    ("profiles: [-x]", 'profiles[0]: expected the name of a compose profile, got "-x"'),
    ("env_example: ../.env", "env_example: expected a relative path"),
    ("build: {platforms: [linux]}", "build.platforms[0]: expected a platform such as linux/amd64"),
    ("build: {args: {A: 1.20}}", "build.args.A: expected text, got 1.2 — put it in quotes"),
    ("build: {args: {-A: x}}", "build.args.-A: expected the name of a build argument"),
    ("build: {secrets: {npm: 'a b'}}", "build.secrets.npm: expected a block's name"),
    ("build: {timeout: 30min}", 'build.timeout: expected a duration such as 90s, 15m, 24h or 7d, got "30min"'),
    ("build: {timeout: 9999d}", "build.timeout: expected a duration between 0s and 366d"),
    ("build: {timeout: true}", "build.timeout: expected a duration"),
    ("build: [a]", "build: expected keys with values, got a list"),
    ("keep_releases: 1", "keep_releases: expected at least 2, got 1"),
    ("keep_releases: few", 'keep_releases: expected a whole number, got "few"'),
    ("notify: [a, a]", 'notify: "a" is listed twice'),
    ("smoke: [{htpp: /}]", 'smoke[0]: expected a check with one of the keys http, tcp or command — did you mean "http"?'),
    ("smoke: [{}]", "smoke[0]: expected a check with one of the keys http, tcp or command"),
    ("smoke: /health", "smoke: expected a list, got"),
    ("smoke: [{tcp: db}]", 'smoke[0].tcp: expected "host:port", such as "localhost:5432", got "db"'),
    ("smoke: [{tcp: 'db:99999'}]", 'smoke[0].tcp: expected "host:port"'),
    ("smoke: [{tcp: 'db:1', via: hots}]", 'smoke[0].via: expected one of host, controller, got "hots" — did you mean "host"?'),
    ("smoke: [{tcp: 'db:1', timeout: 0s}]", 'smoke[0].timeout: expected more than 0s, got "0s"'),
    ("smoke: [{command: [x, '{adress}']}]", 'smoke[0].command: unknown placeholder "{adress}" — did you mean "address"?'),
    ("smoke: [{command: []}]", "smoke[0].command: expected at least one entry, got none"),
    ("smoke: [{command: [-x]}]", "smoke[0].command: the first word of a command is its program"),
    ('smoke: [{command: ["a\\0b"]}]', "smoke[0].command[0]: expected one line of text without control characters"),
    ("smoke: [{command: [x], in: '-x'}]", "smoke[0].in: expected the name of a compose service"),
    ("backup: {service: db, command: [dump], user: x}", "backup.user: only for the built-in dump"),
    ("backup: {service: db, database: host=evil}", "backup.database: expected a PostgreSQL name"),
    ("data: {/srv: carry}", 'data./srv: expected a relative path inside the folder, without "..", ":"'),
    ("data: {./data: keep}", 'data../data: expected one of carry, release, got "keep"'),
    ("data: {./data: carry, data/: release}", 'data: "./data" is named twice'),
    ("timeouts: {pul: 1m}", 'timeouts.pul: unknown key — did you mean "pull"?'),
    ("timeouts: {zzz: 1m}", "timeouts.zzz: unknown key — known here: preflight, pull, up, settle, lease_wait"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), ONE_PROBLEM, ids=[line for line, _ in ONE_PROBLEM])
def test_one_problem_is_told_once_with_its_line(line: str, expected: str) -> None:
    (problem,) = problems_of(f"{TOP}{line}\n{TAIL}")
    assert problem.startswith(f"pipeline.yaml:2: {expected}")


IN_ENVIRONMENT = [
    ("address: ftp://x", "address: expected an address such as https://shop.example.com"),
    ("address: http://me:pw@x", "address: expected an address without user and password"),
    ("address: http://x:0", "address: expected an address such as"),
    ("address: 'http://[x'", "address: expected an address such as"),
    ("branch: mian", 'branch: "mian" is not allowed by branches — add it there — did you mean "main"?'),
    ("branch: m*", "branch: expected the name of one branch, such as main"),
    ("branch: main..x", "branch: expected the name of one branch"),
    ("tags: ['v 1']", "tags[0]: expected a branch or tag, or a pattern such as feature/* or v*"),
    ("tags: -v", "tags: expected a branch or tag"),
    ("env_file: /etc/env", "env_file: expected a relative path"),
    ('env_file: "a\\nb"', "env_file: expected a relative path"),
    ("env_file: []", "env_file: expected at least one entry, got none"),
    ("proven_in: prod", "proven_in: an environment cannot be proven in itself — name an earlier one"),
    ("proven_in: last", 'proven_in: "last" comes later — only an earlier environment can prove a release'),
    ("proven_in: frist", 'proven_in: expected an earlier environment, got "frist" — did you mean "first"?'),
    ("approvals: {}", "approvals.approvers: required key is missing — add it"),
    ("approvals: {approvers: []}", "approvals.approvers: expected at least one entry, got none"),
    ("approvals: {approvers: [a], required: 2}", "approvals.required: expected at most the number of approvers (1), got 2"),
    ("approvals: {approvers: a, expires: 1s}", 'approvals.expires: expected at least 1m, got "1s"'),
    ("approvals: {approvers: a, not_author: maybe}", "approvals.not_author: expected true or false"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), IN_ENVIRONMENT, ids=[line for line, _ in IN_ENVIRONMENT])
def test_one_problem_of_an_environment(line: str, expected: str) -> None:
    text = f"""\
pipeline: shop
environments:
  first: {{hosts: first, branches: main}}
  prod:
    hosts: prod
    branches: main
    {line}
  last: {{hosts: last, branches: main}}
"""
    (problem,) = problems_of(text)
    assert problem.startswith(f"pipeline.yaml:7: environments.prod.{expected}")


NEEDS = [
    ("environments: {}", "environments: expected at least one entry, got none"),
    ("environments: [prod]", "environments: expected keys with values, got a list"),
    ("environments: {prod: {branches: main}}", "environments.prod.hosts: required key is missing — add it"),
    ("environments: {prod: {hosts: [], branches: main}}", "environments.prod.hosts: expected at least one entry"),
    ("environments: {prod: {hosts: prod}}", "environments.prod: nothing may enter — add branches or tags"),
    ("environments: {Prod: {hosts: prod, branches: main}}", "environments.Prod: expected lower-case letters"),
    ("environments: {prod: null}", "environments.prod: expected keys with values, got null"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), NEEDS, ids=[line for line, _ in NEEDS])
def test_environments_need_hosts_and_refs(line: str, expected: str) -> None:
    problems = problems_of(f"pipeline: shop\n{line}\n")
    assert problems[0].startswith(f"pipeline.yaml:2: {expected}")


def test_an_http_check_needs_an_address() -> None:
    (problem,) = problems_of(f"{TOP}smoke: [{{http: /}}]\n{TAIL}")
    assert problem.startswith("pipeline.yaml:3: environments.prod: its smoke checks need an address — add")
    load_pipeline(f"{TOP}smoke: [{{http: /, address: 'http://x'}}]\n{TAIL}")


def test_a_command_with_the_address_needs_one() -> None:
    (problem,) = problems_of(f"{TOP}smoke: [{{command: [curl, '{{address}}/x']}}]\n{TAIL}")
    assert "its smoke checks need an address" in problem


def test_no_migration_without_a_backup() -> None:
    migration = "migration: {service: app, command: [alembic, upgrade, head]}\n"
    (problem,) = problems_of(TOP + migration + TAIL)
    assert problem.startswith(
        "pipeline.yaml:2: migration: a migration needs a backup before it — add backup:"
    )
    load_pipeline(TOP + migration + "backup: {service: db}\n" + TAIL)


def test_an_environment_cannot_take_the_backup_away() -> None:
    text = """\
pipeline: shop
migration: {service: app, command: [alembic, upgrade, head]}
backup: {service: db}
environments:
  feature: {hosts: feature, branches: main, backup: null, migration: null}
  prod: {hosts: prod, branches: main, backup: null}
"""
    (problem,) = problems_of(text)
    assert problem.startswith("pipeline.yaml:6: environments.prod: a migration needs a backup")


def test_a_command_is_never_split_by_a_shell() -> None:
    text = TOP + "backup: {service: db}\nmigration: {service: app, command: alembic upgrade head}\n" + TAIL
    (problem,) = problems_of(text)
    assert problem.endswith('a command is a list of words — write ["alembic", "upgrade", "head"]')


def test_a_command_with_an_open_quote_is_refused_too() -> None:
    (problem,) = problems_of(TOP + """smoke: [{command: "it's"}]\n""" + TAIL)
    assert problem.endswith('a command is a list of words — write ["program", "argument"]')


def test_all_problems_are_told_in_the_order_of_the_file() -> None:
    text = """\
pipeline: Shop
regsitry: main
build: {timeout: soon}
environments:
  prod:
    hosts: [a, a]
    hosts: b
    proven_in: stagin
    approvals: {approvers: [ana], required: 3, expirse: 1h}
"""
    problems = problems_of(text)
    assert [problem.split(": ")[1] for problem in problems] == [
        "pipeline",
        "regsitry",
        "build.timeout",
        "environments.prod",
        "environments.prod.hosts",
        "environments.prod.hosts",
        "environments.prod.proven_in",
        "environments.prod.approvals.expirse",
        "environments.prod.approvals.required",
    ]
    assert "pipeline.yaml:7: environments.prod.hosts: given twice, first on line 6 — remove one" in problems


def test_very_many_problems_end_with_a_count() -> None:
    unknown = "".join(f"x{number}: 1\n" for number in range(150))
    problems = problems_of(TOP + TAIL + unknown)
    assert len(problems) == 101
    assert problems[-1].endswith("and 50 more")


@pytest.mark.parametrize("text", ["", "# nothing\n", "null", "- a\n", "shop", "7"])
def test_what_is_not_a_pipeline_at_all(text: str) -> None:
    (problem,) = problems_of(text)
    assert problem.startswith("pipeline.yaml:1: expected the keys of a pipeline")
