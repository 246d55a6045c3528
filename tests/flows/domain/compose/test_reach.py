"""What compose would open while it reads a commit, judged before it runs, and held against compose itself."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest

from flows.domain.compose.reach import check_reach
from tasks.host.compose import ComposeProject
from tasks.host.stand_ins import env_text
from tasks.kernel.errors import RefusedError, TerminalError


def check(files: dict[str, str], variables: dict[str, str] | None = None) -> None:
    check_reach(["compose.yaml"], files.get, files, variables or {})


@pytest.mark.parametrize(
    "files",
    [
        {"compose.yaml": "services: {web: {image: x, env_file: [.env, {path: ./b/.env, required: false}]}}"},
        {"compose.yaml": "services: {web: {image: x, env_file: '.env.${STAGE:-prod}'}}"},
        {"compose.yaml": "services: {web: {image: x, env_file: '${COMPOSE_PROJECT_NAME}.env'}}"},
        {
            "compose.yaml": "services: {web: {extends: {file: base/x.yaml, service: a}}}",
            "base/x.yaml": "services: {a: {env_file: ../.env}}",
        },
        {"compose.yaml": "include: [in/a.yaml]", "in/a.yaml": "services: {a: {image: x, env_file: ../.env}}"},
        {
            "compose.yaml": "include: [{path: [in/a.yaml, b.yaml], project_directory: ., env_file: in/.env}]\n"
            "services: {c: {image: !reset x, ports: !override [80:80]}}",
            "in/a.yaml": "services: {a: {image: x, env_file: '${NAME}.env'}}",
            "b.yaml": "services: {a: {image: y}}",
            "in/.env": "NAME=mine\n",
        },
        {"compose.yaml": "services: {web: {image: x, volumes: ['/etc/shop:/x', '~/y:/y']}}"},
        {
            "compose.yaml": "include: [a/b.yaml, {path: 01/c.yaml, project_directory: a, env_file: ~}]",
            "a/b.yaml": "include: [{path: c/d.yaml, env_file: /dev/null}]",
            "a/c/d.yaml": "services: {a: {image: x, env_file: ../../.env}}",
            "01/c.yaml": "services: {b: {image: x, env_file: ../.env}}",
        },
        {
            "compose.yaml": "include: [{path: in/a.yaml, env_file: /dev/null}]",
            "in/a.yaml": "services: {a: {image: x, env_file: /dev/null}}",
        },
        {
            "compose.yaml": "x-a: &a {image: x}\nx-b: &b {env_file: .env}\nservices:\n  yes: {<<: *a}\n"
            "  'on': {<<: [*a, *b], ports: [80:80], labels: {on: yes, 1: 2, '2': ~, !!str 3: !!str 4}}\n"
            "  a: {<<: *b, image: !override y, command: !reset null}\n"
        },
        {
            "compose.yaml": "include: [in/a.yaml]",
            "in/a.yaml": "services: {a: {image: 'x:${ODD}', env_file: '${PLAIN}.env'}}",
            "in/.env": "# a note\n\nexport PLAIN='mine'\r\nPLAIN2=\"a b\"\nPLAIN3=a=b\nEMPTY=\n",
        },
        {
            "compose.yaml": "include: [in/a.yaml]",
            "in/a.yaml": "services: {a: {image: 'x:${ODD}'}}",
            "in/.env": 'ODD="a\\056 $b"\n',
        },
        {
            "compose.yaml": "configs: {a: {file: /etc/shop.conf}}\nsecrets: {b: {environment: HOME}}\nservices: {a: {}}"
        },
    ],
)
def test_ordinary_files_are_let_through(files: dict[str, str]) -> None:
    check(files)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "services: {web: {label_file: /etc/passwd}}",
            r"compose.yaml: services.web.label_file names /etc/passwd, outside",
        ),
        ("services: {web: {env_file: ~/.env}}", "outside the commit"),
        ("services: {web: {env_file: '${HOME}.env'}}", "only compose could fill in"),
        ("services: {web: {env_file: '${A:-${B}}'}}", "only compose could fill in"),
        ("services: {web: {env_file: 'a$$/../../b'}}", "outside the commit"),
        ("services: {web: {env_file: 'a$'}}", "only compose could fill in"),
        ("services: {web: {env_file: {path: [x]}}}", "only compose could fill in"),
        ("services: {web: {env_file: '${A:+../../x}'}}", "outside the commit"),
        ("services: {web: {env_file: '${SNEAKY}'}}", "outside the commit"),
        ("services: {web: {env_file: '${HIDDEN}'}}", "only compose could fill in"),
        ("include: ['${COMPOSE_PROJECT_NAME}.yaml']", "only compose could fill in"),
        ("include: [{path: b.yaml, env_file: '${COMPOSE_PROJECT_NAME}.env'}]", "only compose could fill in"),
        ("include: [{path: b.yaml, project_directory: $COMPOSE_PROJECT_NAME}]", "only compose could fill in"),
        (
            "services: {web: {extends: {file: '${COMPOSE_PROJECT_NAME}.yaml', service: a}}}",
            "only compose could fill in",
        ),
        ("services: {web: {env_file: '${PWD}/x'}}", "only compose could fill in"),
        ("services: [web]", "services names .*, which is no mapping"),
        ("services: {web: x}", "services.web names x, which is no mapping"),
        ("include: [{path: compose.yaml, env_file: ../x}]", r"include.0.env_file names ../x, outside"),
        ("include: ['github.com/a/b']", "not a file of the commit"),
        (
            "services: {web: {extends: {file: ../x.yaml, service: a}}}",
            r"services.web.extends.file names ../x.yaml, outside",
        ),
        ("include: [{path: b.yaml, project_directory: nowhere}]", "which is not a folder of the commit"),
        ("include: [{path: b.yaml, project_directory: b.yaml}]", "which is not a folder of the commit"),
        ("include: [{path: b.yaml, project_directory: '${NO}'}]", "which is not a folder of the commit"),
        (
            "include: [{path: c.yaml, project_directory: project}]",
            "starts from the included file's own folder",
        ),
        ("include: [d.yaml]", "d.yaml: include.0.env_file names project.env, .* in different folders"),
        ("include: [e.yaml]", "e.yaml: include.0.project_directory names project, .* in different folders"),
        ("services: {web: {env_file: folder/x}}", "a link that leads out of the commit, or to no file"),
    ],
)
def test_what_leads_out_is_refused(text: str, told: str) -> None:
    files = {
        "project.yaml": "services: {a: {}}",
        "b.yaml": "services: {}",
        "project.env": "",
        "project/x": "",
        "c.yaml": "services: {a: {env_file: ../x}}",
        "d.yaml": "include: [{path: b.yaml, env_file: project.env}]",
        "e.yaml": "include: [{path: b.yaml, project_directory: project}]",
    }
    variables = {"PWD": "a/b", "A": "1", "SNEAKY": "/proc/self/environ", "HIDDEN": "$X", "HOME": "x"}
    files["compose.yaml"] = text
    with pytest.raises(RefusedError, match=told):
        check_reach(["compose.yaml"], files.get, {*files, "folder"}, variables)


# What PyYAML alone took for something else; compose opens `/canary` for each of the first five.
ODD = {
    "two names of true": "services:\n  yes: {image: x, env_file: /canary}\n  on: {image: x}\n",
    "a merge by tag": "!!merge services: {web: {image: x, env_file: /canary}}",
    "a service merged by tag": "services: {!!merge web: {image: x, env_file: /canary}}",
    "a set of services": "services: !!set {web: {image: x, env_file: /canary}}",
    "a service as a set": "services: {web: !!set {image: x, env_file: /canary}}",
    "a merge that is a text": "services: {web: {image: x, '<<': {env_file: /canary}}}",
    "a text that is a merge": "services: {web: {image: x, ! <<: {env_file: /canary}}}",
    "a mapping as a text": "services: !!str {=: x, web: {image: x, env_file: /canary}}",
    "a key in binary": "services: {web: {!!binary ZW52X2ZpbGU=: /canary}}",
    "a key in binary of extends": "services: {web: {extends: {!!binary ZmlsZQ==: /canary, service: a}}}",
    "nothing by tag": "services: {web: {env_file: !!null /canary}}",
    "a key twice": "services:\n  web: {image: x, env_file: /canary}\n  web: {image: x}\n",
    "a tag of its own": "services: {web: {image: x, !mine env_file: /canary}}",
    **{
        f"what compose takes for another folder: {folder}": f"include: [{{path: a, project_directory: {folder}}}]"
        for folder in ("no", "!reset a/b", "0:0.", "0o17", "0X1f", "0_o17", "2001-01-01", "!override a/b")
    },
    "a first file that is taken back": "include: [{path: [!reset a/b/c, a]}]",
    "variables that are taken back": "include: [{path: a, env_file: !reset b}]",
    "what a merge has taken back": "x-a: &a {project_directory: !reset a/b}\ninclude: [{path: a, <<: *a}]",
    "an include that a merge brings": "x-a: &a\n  <<: [{include: [{path: a, <<: !reset {env_file: b}}]}]\n<<: *a\n",
}


@pytest.mark.parametrize("odd", ODD)
def test_yaml_that_may_be_read_in_two_ways_is_refused(odd: str) -> None:
    with pytest.raises(
        TerminalError, match="line . is YAML that programs read in different ways|outside the commit"
    ):
        check({"compose.yaml": ODD[odd]})


@pytest.mark.parametrize(
    "line",
    [
        'FILE="\\056\\056/\\056\\056/canary"',
        "FILE=/canary\nFILE",
        "FILE: /canary",
        "FILE",
        "A='x'\tFILE=/canary",
        "A=/canary\nFILE=${A}",
        "A='\nFILE=b'",
    ],
)
def test_what_an_included_folders_env_file_says_in_an_odd_way_is_not_guessed(line: str) -> None:
    files = {
        "compose.yaml": "include: [in/a.yaml]",
        "in/a.yaml": "services: {a: {image: x, env_file: '${FILE-x}'}}",
        "in/.env": f"{line}\n",
    }
    with pytest.raises(
        RefusedError, match=r"services.a.env_file names \$\{FILE-x\}, a path that only compose"
    ):
        check(files)


def test_includes_that_double_at_each_level_end() -> None:
    files = {"compose.yaml": json.dumps({"include": ["a0/f.yaml", "b0/f.yaml"]})}
    for level in range(30):
        both = [f"../{name}{level + 1}/f.yaml" for name in "ab"] if level < 29 else []
        for name in "ab":
            files[f"{name}{level}/f.yaml"] = json.dumps({"include": both})
            files[f"{name}{level}/.env"] = f"K{level}={name}\n"
    with pytest.raises(RefusedError, match="include each other more than 1000 times"):
        check(files)


def test_an_included_folders_own_variables_count() -> None:
    files = {
        "compose.yaml": "include: [in/a.yaml]",
        "in/a.yaml": "services: {a: {env_file: '${FILE:-x}'}}",
        "in/.env": "FILE=../../canary\n",
    }
    with pytest.raises(RefusedError, match="outside the commit"):
        check(files)
    check(files, {"FILE": "in.env"})


def test_what_is_let_through_stays_inside_for_compose_too(tmp_path: Path) -> None:
    """Generated paths: those let through never show compose the canary, and of the others many would have."""
    root = tmp_path / "a" / "commit"
    (root / "sub").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "a"):
        (folder / "canary").write_text("CANARY=found\n")
    variables = {"ROOT": str(tmp_path), "UP": "..", "EMPTY": "", "DIR": "sub", "Q": "it's"}
    pieces = [
        "..",
        ".",
        "sub",
        "${UP}",
        "$UP",
        "${ROOT}",
        "${DIR}",
        "${NO:-..}",
        "${EMPTY:-..}",
        "${EMPTY-..}",
    ]
    pieces += [
        "${UP:+..}",
        "${UP+..}",
        "${NO+x}",
        "${UP:?}",
        "$$UP",
        "${UP:-x}",
        str(tmp_path),
        "${Q}",
        "${NO}",
    ]
    chosen = random.Random(7)
    paths = sorted(
        {"/".join([*chosen.choices(pieces, k=chosen.randint(1, 4)), "canary"]) for _ in range(600)}
    )
    passed, refused = [], []
    for path in paths:
        try:
            check({"compose.yaml": json.dumps({"services": {"web": {"env_file": path}}})}, variables)
            passed.append(path)
        except RefusedError:
            refused.append(path)
    assert sum(_reads(root, passed, variables)) == 0
    assert sum(_reads(root, refused, variables)) > 50


def _reads(root: Path, paths: list[str], variables: dict[str, str]) -> list[bool]:
    """Say of each path whether compose reads the canary there."""
    services = {
        f"s{number}": {"image": "x", "env_file": [{"path": path, "required": False}]}
        for number, path in enumerate(paths)
    }
    (root / "compose.yaml").write_text(json.dumps({"services": services}))
    (root.parent.parent / "values").write_text(env_text(variables))
    project = ComposeProject(
        "x", str(root), env_file=str(root.parent.parent / "values"), files=(str(root / "compose.yaml"),)
    )
    done = subprocess.run(project.config_json(), cwd=root, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)["services"]
    return ["CANARY" in (found[name].get("environment") or {}) for name in services]
