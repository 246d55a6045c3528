"""What compose would open while it reads a commit, judged before it runs, and held against compose itself."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest

from flows.domain.compose_reach import check_reach
from tasks.commands.compose import ComposeProject
from tasks.commands.stand_ins import env_text
from tasks.errors import RefusedError


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
            "compose.yaml": "include: [{path: [in/a.yaml, b.yaml], project_directory: ., env_file: in/.env}]",
            "in/a.yaml": "services: {a: {image: x, env_file: '${NAME}.env'}}",
            "b.yaml": "services: {a: {image: y}}",
            "in/.env": "NAME=mine\n",
        },
        {"compose.yaml": "services: {web: {image: x, volumes: ['/etc/shop:/x', '~/y:/y']}}"},
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
        ("services: {web: {!!binary ZW52X2ZpbGU=: /etc/passwd}}", "cannot be judged"),
        ("include: [{path: compose.yaml, env_file: ../x}]", r"include.0.env_file names ../x, outside"),
        ("include: ['github.com/a/b']", "not a file of the commit"),
        (
            "services: {web: {extends: {file: ../x.yaml, service: a}}}",
            r"services.web.extends.file names ../x.yaml, outside",
        ),
    ],
)
def test_what_leads_out_is_refused(text: str, told: str) -> None:
    variables = {"A": "1", "SNEAKY": "/proc/self/environ", "HIDDEN": "$X", "HOME": "x"}
    with pytest.raises(RefusedError, match=told):
        check({"compose.yaml": text}, variables)


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
