"""Nothing of the control machine gets into what is read or built from a commit, by any way in."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from flows.core.describe import describe_commit
from tasks.images import build as building
from tasks.kernel.errors import RefusedError, SluiceError
from tasks.kernel.protocols import Call
from tests.lab.engine import ensure_engine
from tests.lab.images.ensure import ensure_images
from tests.lab.settings import Settings
from tests.tasks.commits import PIPELINE, commit

CANARY = "canary-of-the-control-machine"
VARIABLE = "CANARY_OF_THE_CONTROL_MACHINE"
DOCKERFILE = "FROM scratch\nCOPY Dockerfile /\n"
# An image that has a shell to copy with; every lab has it.
COPIES = "FROM postgres:17\nRUN --mount=type=secret,id=stolen cat /run/secrets/stolen > /loot\n"
BASES = "FROM postgres:17\nCOPY --from=other canary /loot\n"
OUT = "@OUT@"


def web(**build: object) -> str:
    return json.dumps({"services": {"web": {"build": {"context": ".", **build}}}})


def service(**keys: object) -> str:
    return json.dumps({"services": {"web": {"image": "x", **keys}}})


# name → files, links, what the message must name. `@OUT@` is a folder outside the commit that holds the canary.
WAYS: Mapping[str, tuple[dict[str, str], dict[str, str], str]] = {
    "build secret from a file": (
        {
            "compose.yaml": json.dumps(
                {
                    "services": {"web": {"build": {"context": ".", "secrets": ["stolen"]}}},
                    "secrets": {"stolen": {"file": f"{OUT}/canary"}},
                }
            ),
            "Dockerfile": COPIES,
        },
        {},
        r"service web: build.secrets.stolen asks for .*/canary, outside the commit .* build.secrets in pipeline.yaml",
    ),
    "build secret from a link": (
        {
            "compose.yaml": json.dumps(
                {
                    "services": {"web": {"build": {"context": ".", "secrets": ["stolen"]}}},
                    "secrets": {"stolen": {"file": "./mine"}},
                }
            ),
            "Dockerfile": COPIES,
        },
        {"mine": f"{OUT}/canary"},
        r"build.secrets.stolen asks for mine, outside the commit",
    ),
    "build secret from a variable": (
        {
            "compose.yaml": json.dumps(
                {
                    "services": {"web": {"build": {"context": ".", "secrets": ["stolen"]}}},
                    "secrets": {"stolen": {"environment": VARIABLE}},
                }
            ),
            "Dockerfile": COPIES,
        },
        {},
        rf"build.secrets.stolen asks for the control machine's variable {VARIABLE}",
    ),
    "build argument": (
        {
            "compose.yaml": web(args=[VARIABLE]),
            "Dockerfile": f"FROM postgres:17\nARG {VARIABLE}\nRUN echo ${VARIABLE} > /loot\n",
        },
        {},
        "",
    ),
    "secret of a service": (
        {
            "compose.yaml": json.dumps(
                {
                    "services": {"web": {"image": "x", "secrets": ["stolen"], "configs": ["told"]}},
                    "secrets": {"stolen": {"environment": VARIABLE}},
                    "configs": {"told": {"content": f"${{{VARIABLE}:-none}}"}},
                }
            )
        },
        {},
        "",
    ),
    "variable in an image's name": ({"compose.yaml": service(image=f"x:${{{VARIABLE}:-none}}")}, {}, ""),
    "context": (
        {"compose.yaml": web(context=OUT, dockerfile_inline="FROM postgres:17\nCOPY canary /loot\n")},
        {},
        "build.context asks",
    ),
    "context above": ({"compose.yaml": web(context="../..")}, {}, "build.context asks"),
    "context by link": (
        {"compose.yaml": web(context="./folder", dockerfile_inline="FROM postgres:17\nCOPY canary /loot\n")},
        {"folder": OUT},
        "build.context asks for folder, outside",
    ),
    "context at an address": (
        {"compose.yaml": web(context="https://127.0.0.1:9/x.git")},
        {},
        "build.context asks for the address",
    ),
    "dockerfile": ({"compose.yaml": web(dockerfile=f"{OUT}/Dockerfile")}, {}, "build.dockerfile asks"),
    "dockerfile above": ({"compose.yaml": web(dockerfile="../../Dockerfile")}, {}, "build.dockerfile asks"),
    "dockerfile by link": (
        {"compose.yaml": web(dockerfile="Mine")},
        {"Mine": f"{OUT}/Dockerfile"},
        "build.dockerfile asks for Mine",
    ),
    **{
        f"policy beside the Dockerfile: {name}.rego": (
            {"compose.yaml": web(context="./app"), "app/Dockerfile": DOCKERFILE},
            {f"app/{name}.rego": f"{OUT}/canary"},
            rf"build.dockerfile asks for {name}.rego, outside",
        )
        for name in ("Dockerfile", "dockerfile")
    },
    "additional context": (
        {"compose.yaml": web(additional_contexts={"other": OUT}), "Dockerfile": BASES},
        {},
        "build.additional_contexts.other asks",
    ),
    "additional context by link": (
        {"compose.yaml": web(additional_contexts={"other": "./folder"}), "Dockerfile": BASES},
        {"folder": OUT},
        "build.additional_contexts.other asks for folder",
    ),
    "additional context at an address": (
        {
            "compose.yaml": web(additional_contexts={"other": "https://127.0.0.1:9/x.git"}),
            "Dockerfile": BASES,
        },
        {},
        "build.additional_contexts.other asks for the address",
    ),
    "layout of an image": (
        {"compose.yaml": web(additional_contexts={"other": f"oci-layout://{OUT}"}), "Dockerfile": BASES},
        {},
        "build.additional_contexts.other asks for the address",
    ),
    "keys of the agent": (
        {"compose.yaml": web(ssh=["default"]), "Dockerfile": DOCKERFILE},
        {},
        "build.ssh asks",
    ),
    "cache from a folder": (
        {"compose.yaml": web(cache_from=[f"type=local,src={OUT}"]), "Dockerfile": DOCKERFILE},
        {},
        "build.cache_from",
    ),
    "cache into a folder": (
        {"compose.yaml": web(cache_to=[f"type=local,dest={OUT}/new"]), "Dockerfile": DOCKERFILE},
        {},
        "build.cache_to",
    ),
    "env file": (
        {"compose.yaml": service(env_file=f"{OUT}/canary.env")},
        {},
        "services.web.env_file names .*canary.env, outside",
    ),
    "env file that may be missing": (
        {"compose.yaml": service(env_file=[{"path": f"{OUT}/canary.env", "required": False}])},
        {},
        "services.web.env_file names",
    ),
    "env file that is none": (
        {"compose.yaml": service(env_file=f"{OUT}/canary")},
        {},
        "services.web.env_file names",
    ),
    "env file of a process": (
        {"compose.yaml": service(env_file="/proc/self/environ")},
        {},
        "names /proc/self/environ, outside",
    ),
    "env file by link": (
        {"compose.yaml": service(env_file="mine.env")},
        {"mine.env": f"{OUT}/canary.env"},
        "names mine.env, a link that leads out",
    ),
    "env file in a linked folder": (
        {"compose.yaml": service(env_file="folder/canary.env")},
        {"folder": OUT},
        "names folder/canary.env, a link that leads out of the commit",
    ),
    "env file by the example": (
        {
            "compose.yaml": service(env_file="${FILE:-.env}"),
            ".env.example": f"FILE={OUT}/canary.env\n",
            ".env": "",
        },
        {},
        r"services.web.env_file names \$\{FILE:-.env\}, outside",
    ),
    "env file in a nested default": (
        {"compose.yaml": service(env_file=f"${{A:-${{B:-{OUT}/canary.env}}}}")},
        {},
        "only compose could fill in",
    ),
    "env file in binary": (
        {"compose.yaml": "services: {web: {image: x, env_file: !!binary L3Byb2Mvc2VsZi9lbnZpcm9u}}"},
        {},
        "services.web.env_file",
    ),
    "extended file": (
        {"compose.yaml": service(extends={"file": f"{OUT}/compose.yaml", "service": "web"})},
        {},
        "services.web.extends.file names",
    ),
    "extended file by link": (
        {"compose.yaml": service(extends={"file": "mine.yaml", "service": "web"})},
        {"mine.yaml": f"{OUT}/compose.yaml"},
        "services.web.extends.file names mine.yaml, which is not a file of the commit",
    ),
    "included file": (
        {"compose.yaml": json.dumps({"include": [f"{OUT}/compose.yaml"]})},
        {},
        "include.0 names",
    ),
    "included folder": (
        {
            "compose.yaml": json.dumps({"include": [{"path": "a.yaml", "project_directory": OUT}]}),
            "a.yaml": service(image="x:${CANARY}"),
        },
        {},
        "include.0.project_directory names",
    ),
    "included folder's env file": (
        {
            "compose.yaml": json.dumps({"include": ["in/a.yaml"]}),
            "in/a.yaml": service(image="x:${CANARY:-none}"),
        },
        {"in/.env": f"{OUT}/canary.env"},
        "",
    ),
    # Compose takes the folder above in place of one that is not there, and a folder called `no` where YAML says no.
    **{
        f"included folder, which compose takes for another: {folder}": (
            {
                "compose.yaml": f"include: [{{path: a/b/c/a.yaml, project_directory: {folder}}}]",
                "a/b/c/a.yaml": service(env_file="../../../canary.env"),
                "canary.env": "",
                "no/x": "",
            },
            {},
            told,
        )
        for folder, told in {
            "a/b/d": "names a/b/d, which is not a folder of the commit",
            "no": "line 1 is YAML that programs read in different ways",
            "!reset a/b/c": "line 1 is YAML that programs read in different ways",
        }.items()
    },
    "env file that an included file includes": (
        {
            "compose.yaml": json.dumps({"include": ["a/a.yaml"]}),
            "a/a.yaml": json.dumps({"include": ["b/b.yaml"]}),
            "a/b/b.yaml": json.dumps({"include": [{"path": "c.yaml", "env_file": "../../canary.env"}]}),
            "a/b/c.yaml": service(image="x:${CANARY:-none}"),
            "canary.env": "",
            "b/x": "",
        },
        {},
        "a/b/b.yaml: include.0.env_file names ../../canary.env, .* in different folders",
    ),
    "included env file": (
        {
            "compose.yaml": json.dumps({"include": [{"path": "a.yaml", "env_file": f"{OUT}/canary.env"}]}),
            "a.yaml": service(),
        },
        {},
        "include.0.env_file names",
    ),
    "included from git": (
        {"compose.yaml": json.dumps({"include": ["https://127.0.0.1:9/x.git"]})},
        {},
        "include.0 names https",
    ),
    "included from a registry": (
        {"compose.yaml": json.dumps({"include": ["oci://127.0.0.1:9/x"]})},
        {},
        "include.0 names oci",
    ),
    "included over SSH": (
        {"compose.yaml": json.dumps({"include": ["git@127.0.0.1:x"]})},
        {},
        "which is not a file of the commit",
    ),
    # Git makes other characters of it on the way out: it has no brackets there.
    "compose file in another encoding": (
        {
            "compose.yaml": f"services:\n  web:\n    image: x\n    env_file: [{OUT}/canary.env]\n",
            ".gitattributes": "compose.yaml text working-tree-encoding=ISO646-DE\n",
        },
        {},
        "services.web.env_file names .*canary.env, outside",
    ),
    "included folder's env file by a link that git does not follow": (
        {
            "compose.yaml": json.dumps({"include": ["in/a.yaml"]}),
            "in/a.yaml": service(env_file="${FILE:-x}"),
            "in/vars": f"FILE={OUT}/canary.env\n",
        },
        {"in/.env": "./vars"},
        r"services.web.env_file names \$\{FILE:-x\}, outside",
    ),
    "included file by the project's name": (
        {
            "compose.yaml": json.dumps({"include": ["${COMPOSE_PROJECT_NAME}.yaml"]}),
            "project.yaml": service(),
            "shop.yaml": service(env_file=f"{OUT}/canary.env"),
        },
        {},
        "include.0 names .*only compose could fill in",
    ),
    "service that is two in YAML": (
        {"compose.yaml": f"services:\n  yes: {{image: x, env_file: {OUT}/canary.env}}\n  on: {{image: x}}\n"},
        {},
        "services.yes.env_file names .*canary.env, outside",
    ),
    "services as a set": (
        {"compose.yaml": f"services: !!set {{web: {{image: x, env_file: {OUT}/canary.env}}}}\n"},
        {},
        "line 1 is YAML that programs read in different ways",
    ),
    "variables of the builder": (
        {"compose.yaml": web(), "Dockerfile": DOCKERFILE},
        {".env": f"{OUT}/canary"},
        "",
    ),
    "compose file by link": (
        {"other": "x"},
        {"compose.yaml": f"{OUT}/compose.yaml"},
        "compose.yaml is a link that leads out of the commit",
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _engine() -> None:
    ensure_engine(Settings().engine_directory)
    ensure_images(Settings().cache)


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the control machine that no commit should reach."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "canary").write_text(f"{CANARY}!\n")
    # Beside the checkout that compose reads, too: `..` leads there.
    beside = tmp_path / "in" / "here" / "work" / "render"
    beside.mkdir(parents=True)
    (beside / "canary.env").write_text(f"CANARY={CANARY}\n")
    (folder / "canary.env").write_text(f"CANARY={CANARY}\n")
    (folder / "Dockerfile").write_text(f"FROM postgres:17\nRUN echo {CANARY} > /loot\n")
    (folder / "compose.yaml").write_text(f"services: {{web: {{image: '{CANARY}'}}}}\n")
    monkeypatch.setenv(VARIABLE, CANARY)
    monkeypatch.setenv("CANARY", CANARY)
    return folder


@pytest.mark.parametrize("way", WAYS)
def test_nothing_outside_a_commit_is_reached(
    way: str, outside: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files, links, told = WAYS[way]
    strange = commit(
        outside.parent / "in" / "here",
        {name: text.replace(OUT, str(outside)) for name, text in files.items()},
        links={name: target.replace(OUT, str(outside)) for name, target in links.items()},
    )
    seen, refusal = "", None
    try:
        sources = strange.read()
        seen += json.dumps(sources.config) + json.dumps(sources.bake)
        for image in strange.build(sources):
            seen += loot(image)
    except SluiceError as error:
        refusal = error
        seen += f"{error} {error.detail}"
    assert CANARY not in seen + caplog.text
    assert not (outside / "new").exists()
    if told:
        assert isinstance(refusal, RefusedError)
        assert refusal.todo
        with pytest.raises(RefusedError, match=told):
            raise refusal


@pytest.mark.parametrize("path", ["a\\ud800", "a\\0b", "a" * 300, "README/x"])
def test_what_is_no_files_name_is_refused_in_compose_s_words(path: str, tmp_path: Path) -> None:
    odd = commit(
        tmp_path / "application",
        {"compose.yaml": f'services: {{web: {{image: x, env_file: "{path}"}}}}', "README": "x"},
    )
    with pytest.raises(RefusedError, match="the compose files of ....... are not valid"):
        odd.read()


def test_a_variable_that_gets_no_stand_in_is_named(tmp_path: Path) -> None:
    needs = commit(
        tmp_path / "application",
        {"compose.yaml": service(environment={"A": "${HTTP_PROXY:?}"}), ".env.example": "HTTP_PROXY=x\n"},
    )
    with pytest.raises(RefusedError) as caught:
        needs.read()
    assert caught.value.todo.startswith("compose gets no value for HTTP_PROXY")
    assert "${HTTP_PROXY:-}" in caught.value.todo


def test_what_runs_already_is_still_described(tmp_path: Path) -> None:
    """A release of before that leads out must not stand in the way of the one that mends it."""
    texts = {"compose.yaml": service(env_file="/etc/shop.env"), ".env.example": "KEY=1\n"}
    before = commit(tmp_path / "application", texts)
    described = describe_commit(before.run.mirror, before.run.description, before.sha)
    assert described.required == ("KEY",)
    with pytest.raises(RefusedError, match="names /etc/shop.env, outside the commit"):
        before.read()


def loot(image: str) -> str:
    """Return what a build took with it."""
    argv = ("docker", "run", "--rm", "--network=none", "--entrypoint=cat", image, "/loot")
    found = subprocess.run(argv, check=False, capture_output=True, text=True).stdout
    subprocess.run(("docker", "rmi", image), check=False, capture_output=True)
    return found


def test_what_an_ordinary_build_needs_still_works(
    outside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "read_secret", lambda _: "of the policy")
    copied = "RUN --mount=type=secret,id=token --mount=type=secret,id=note cat /run/secrets/* /deep /other > /loot\n"
    dockerfile = f"FROM postgres:17\nARG WORD\nCOPY deep /deep\nCOPY --from=other more /other\n{copied}"
    dockerfile += 'RUN echo "$WORD" >> /loot\n'
    ordinary = commit(
        tmp_path / "application",
        {
            "compose.yaml": json.dumps(
                {
                    "services": {
                        "web": {
                            "build": {
                                "context": "./app",
                                "dockerfile": "../docker/Dockerfile",
                                "args": {"WORD": "it's $${x} %{y} ${MODE:?}"},
                                "additional_contexts": {"other": "linked"},
                                "secrets": ["token", "note"],
                                "cache_from": ["registry.test/shop/web:cache", "type=gha"],
                            },
                            "env_file": [".env", {"path": "local.env", "required": False}],
                            "volumes": ["/srv/data:/data", f"{outside}/canary:/x"],
                        }
                    },
                    "secrets": {
                        "token": {"environment": "TOKEN"},
                        "note": {"file": "./note"},
                        "hosts": {"file": "/etc/shop/secret"},
                    },
                }
            ),
            ".env.example": "MODE=fast\nTOKEN=example\n",
            "app/deep": "deep\n",
            "folder/more": "more\n",
            "note": "a note\n",
            "docker/Dockerfile": dockerfile,
        },
        links={"linked": "folder"},
        pipeline=f"{PIPELINE}build: {{secrets: {{token: block}}}}\n",
    )
    (image,) = ordinary.build(ordinary.read())
    found = loot(image)
    for part in ("of the policy", "a note", "deep\nmore\n", "it's ${x} %{y} fast"):
        assert part in found
    assert "example" not in found


def test_a_secret_of_the_policy_is_in_no_layer_and_no_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "read_secret", lambda _: CANARY)
    ordinary = commit(
        tmp_path / "application",
        {
            "compose.yaml": web(),
            "Dockerfile": "FROM postgres:17\nRUN --mount=type=secret,id=token wc -c /run/secrets/token > /loot\n",
        },
        pipeline=f"{PIPELINE}build: {{secrets: {{token: block}}}}\n",
    )
    sources = ordinary.read()
    (image,) = ordinary.build(sources)
    assert CANARY not in json.dumps(sources.bake)
    history = subprocess.run(
        ("docker", "history", "--no-trunc", image), check=True, capture_output=True, text=True
    )
    assert CANARY not in history.stdout
    assert loot(image).startswith(str(len(CANARY)))


def test_a_folder_that_looks_like_a_repository_gives_git_no_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = tmp_path / "asked"
    (tmp_path / "front").mkdir()
    git = tmp_path / "front" / "git"
    git.write_text(f'#!/bin/sh\ncase "$PWD" in */source/*) pwd >> "{note}";; esac\nexec /usr/bin/git "$@"\n')
    git.chmod(0o755)
    strange = commit(
        tmp_path / "application",
        {
            "compose.yaml": web(context="./odd"),
            "odd/Dockerfile": DOCKERFILE,
            "odd/HEAD": "ref: refs/heads/main\n",
            "odd/config": "[core]\n fsmonitor = ./run\n",
            "odd/objects/x": "",
            "odd/refs/x": "",
        },
    )
    sources = strange.read()
    monkeypatch.setenv("PATH", f"{git.parent}:{os.environ['PATH']}")
    for image in strange.build(sources):
        assert strange.run.local.run(Call(("docker", "rmi", image))).ok
    assert not note.exists()
