"""What a container gets that is asked before anybody approved: never what the commit asks for."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.host.confined import CONFINED, MOST_BYTES, ConfinedService, confine
from tasks.kernel.archive import tar_of

COMPOSE = """
name: app
services:
  app:
    image: app:${TAG:?}
    build: {context: ., secrets: [key]}
    command: [serve]
    entrypoint: ["/enter.sh", "$$x"]
    env_file: [.env]
    environment: {URL: "pg://u:${PASSWORD:?}@db/x", PASSED: , COST: "5$$"}
    working_dir: /srv/app
    user: "1000:1000"
    group_add: [docker]
    volumes:
      - data:/data
      - /anonymous
      - ./conf:/conf
      - ./conf/site.conf:/etc/site.conf
      - ./uploads:/uploads
      - ./.env:/env
      - ./out:/out
      - ../beside:/beside
      - /etc:/host/etc
      - /var/run/docker.sock:/var/run/docker.sock
    secrets: [key, {source: token, target: /elsewhere/token}]
    configs: [{source: inline, target: /etc/inline}, {source: tracked, target: /etc/tracked}]
    tmpfs: ["/scratch:size=9g,mode=0777"]
    devices: ["/dev/kmsg:/dev/kmsg"]
    cap_add: [SYS_ADMIN]
    security_opt: ["seccomp:unconfined", "apparmor:unconfined"]
    privileged: true
    pid: host
    ipc: host
    userns_mode: host
    uts: host
    cgroup: host
    network_mode: host
    sysctls: {net.core.somaxconn: 1024}
    runtime: evil
    restart: always
    pids_limit: -1
    mem_limit: 900g
    logging: {driver: syslog}
    labels: {traefik.enable: "true"}
    container_name: live
    dns: [8.8.8.8]
    oom_kill_disable: true
  db: {image: "postgres:17", volumes: ["db:/var/lib/postgresql/data"]}
secrets: {key: {file: ./key.txt}, token: {environment: TOKEN}}
configs: {inline: {content: "pays 5$$ to ${PASSWORD}"}, tracked: {file: ./conf/site.conf}}
volumes: {data: {name: live-data, external: true}, db: {}}
"""
EXAMPLES = {"TAG": "1", "PASSWORD": "example", "TOKEN": "example token"}
TRACKED = {"conf", "conf/site.conf"}


def read(folder: Path) -> dict[str, Any]:
    (folder / "compose.yaml").write_text(COMPOSE)
    (folder / ".env").write_text("FROM_FILE=example\n")
    words = ("docker", "compose", f"--project-directory={folder}", "--env-file=/dev/null")
    done = subprocess.run(
        (*words, f"--file={folder}/compose.yaml", "config", "--format=json"),
        env={"PATH": "/usr/bin:/bin", "HOME": str(Path.home()), **EXAMPLES},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> ConfinedService:
    folder = tmp_path_factory.mktemp("render")
    return confine(
        read(folder),
        "app",
        image="registry/app@sha256:1",
        project_dir=str(folder),
        examples=EXAMPLES,
        in_bundle=TRACKED.__contains__,
    )


def options(service: ConfinedService, **changes: Any) -> list[str]:
    values: dict[str, Any] = {"container": "one", "seconds": 9.0} | changes
    argv = list(service.ask(("alembic", "history"), **values))
    return argv[argv.index("docker") :]


def test_what_the_commit_asks_for_is_not_there(service: ConfinedService) -> None:
    argv = options(placed(service))
    allowed = {
        *("docker", "run", "--rm", "--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
        *("--read-only", "--pids-limit=256", "--memory=1g", "--memory-swap=1g", "--cpu-shares=512"),
        *(
            "--oom-score-adj=500",
            "--restart=no",
            "--no-healthcheck",
            "--log-driver=none",
            "--label=sluice.plan",
            "--name=one",
        ),
        *("--pull=never", "--workdir=/srv/app", "--user=1000:1000", "--entrypoint=alembic"),
        *("--", "registry/app@sha256:1", "history"),
    }
    rest = [word for word in argv if word not in allowed]
    assert {word.partition("=")[0] for word in rest} == {"--tmpfs", "--mount", "--env"}
    assert [word.partition(":")[0] for word in rest if word.startswith("--tmpfs=")] == [
        *("--tmpfs=/anonymous", "--tmpfs=/data", "--tmpfs=/scratch", "--tmpfs=/tmp")
    ]
    assert all(word.endswith("mode=1777,size=256m") for word in rest if word.startswith("--tmpfs="))


def test_only_the_commits_own_files_are_mounted_and_none_can_be_written(service: ConfinedService) -> None:
    mounts = [word for word in options(placed(service)) if word.startswith("--mount=")]
    assert mounts == [
        '--mount="type=bind","source=/app/releases/1/conf","target=/conf","readonly"',
        '--mount="type=bind","source=/app/releases/1/conf/site.conf","target=/etc/site.conf","readonly"',
        '--mount="type=bind","source=/app/releases/1/conf/site.conf","target=/etc/tracked","readonly"',
        '--mount="type=bind","source=/app/rehearsals/one/0","target=/elsewhere/token","readonly"',
        '--mount="type=bind","source=/app/rehearsals/one/1","target=/etc/inline","readonly"',
        '--mount="type=bind","source=/app/rehearsals/one/2","target=/run/secrets/key","readonly"',
    ]
    assert [word for word in options(service) if word.startswith("--mount=")] == []


def test_every_value_is_an_example(service: ConfinedService) -> None:
    assert service.environment == {
        "URL": "pg://u:example@db/x",
        "COST": "5$",
        "FROM_FILE": "example",
    }
    assert dict(service.stand_ins) == {
        "/elsewhere/token": "example token",
        "/etc/inline": "pays 5$ to example",
        "/run/secrets/key": "stand-in",
    }
    # A proxy of the Docker client's configuration, with its password, would come in by itself.
    assert {"--env=HTTP_PROXY=", "--env=https_proxy="} <= set(options(service))
    # A proxy on the host would take it for the application.
    routed = ConfinedService(
        image="i", environment={"VIRTUAL_HOST": "shop.example.com", "UV_CACHE_DIR": "/root"}
    )
    words = [word for word in options(routed) if "VIRTUAL_HOST=" in word or "UV_CACHE" in word]
    assert words == ["--env=VIRTUAL_HOST=", "--env=UV_CACHE_DIR=/tmp/uv"]


def test_it_starts_alone_or_as_the_application_does(service: ConfinedService) -> None:
    assert options(service, starts=True)[-4:] == ["registry/app@sha256:1", "$x", "alembic", "history"]
    assert "--entrypoint=/enter.sh" in options(service, starts=True)
    bare = ConfinedService(image="i")
    assert options(bare, starts=True)[-3:] == ["i", "alembic", "history"]
    assert not any(word.startswith("--entrypoint") for word in options(bare, starts=True))
    assert "--entrypoint=" in options(ConfinedService(image="i", entrypoint=()), starts=True)


def placed(service: ConfinedService) -> ConfinedService:
    values = {**vars(service), "bundle": "/app/releases/1", "folder": "/app/rehearsals"}
    return ConfinedService(**values)


TEXT = st.text(max_size=20)


@given(st.dictionaries(TEXT, TEXT, max_size=4), TEXT, TEXT, TEXT, TEXT)
def test_no_value_of_a_commit_becomes_an_option(
    environment: dict[str, str], user: str, folder: str, target: str, source: str
) -> None:
    config = {
        "services": {
            "app": {
                "environment": environment,
                "user": user,
                "working_dir": folder,
                "tmpfs": [target],
                "volumes": [{"type": "bind", "source": source, "target": target}],
            }
        }
    }
    anything: Callable[[str], bool] = lambda _: True  # noqa: E731
    made = confine(config, "app", image="i", project_dir="/x", examples={}, in_bundle=anything)
    argv = options(placed(made))
    words = argv[argv.index("--name=one") + 1 : argv.index("--")]
    known = (
        "--tmpfs=/",
        '--mount="type=bind","source=/app/',
        "--workdir=/",
        "--user=",
        "--env=",
        "--entrypoint=",
    )
    assert all(word.startswith(known) for word in words)
    assert all("=" in word.removeprefix("--env=") for word in words if word.startswith("--env="))
    assert all(".." not in path.split("/") for path, _ in made.mounts)


def play(
    program: str,
    tmp_path: Path,
    *,
    seconds: str = "9",
    most: str = "100",
    folder: str = "",
    stdin: bytes = b"",
    brought: str = "",
    given: tuple[str, ...] = (),
) -> subprocess.CompletedProcess[bytes]:
    """Run the script with a program in the place of `docker run`, and a `docker` that writes down what it was told.

    What the image brings along comes before what is given; the program finds all of it in its arguments.
    """
    (tmp_path / "brought").write_text(brought)
    (tmp_path / "docker").write_text(
        f'#!/bin/sh\necho "$*" >> {tmp_path}/told\n[ "$1" != image ] || cat {tmp_path}/brought\n'
    )
    (tmp_path / "run").write_text(f'#!/bin/sh\n[ "$1" = run ] && shift\n{program}\n')
    (tmp_path / "run").chmod(0o755)
    (tmp_path / "docker").chmod(0o755)
    return subprocess.run(
        (
            "sh",
            "-c",
            CONFINED,
            "sluice-confined",
            "one",
            seconds,
            most,
            folder,
            "the-image",
            "run",
            "run",
            *given,
        ),
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_what_an_image_brings_along_is_taken_away(tmp_path: Path) -> None:
    taken = ("--tmpfs=/taken:rw", '--mount="type=bind","source=/x","target=/mounted","readonly"')
    below = ("--tmpfs=/cache/below:rw", '--mount="type=bind","source=/x","target=/www/conf","readonly"')
    labels = 'label "caddy"\nlabel "caddy.respond"\nlabel "traefik.http.routers.x.rule"\n'
    volumes = "".join(
        f'volume "{path}"\n' for path in ("/data/", "/taken", "/mounted", "/cache", "/www", "/ww")
    )
    done = play(
        """printf '%s\\n' "$@" """, tmp_path, most="9999", brought=labels + volumes, given=(*taken, *below)
    )
    assert done.returncode == 0, done.stderr
    words = done.stdout.decode().splitlines()
    assert words[-4:] == [*taken, *below]
    tmpfs = "rw,exec,nosuid,nodev,mode=1777,size=256m"
    assert sorted(words[:-4]) == [
        "--label=caddy.respond=",
        "--label=caddy=",
        "--label=traefik.http.routers.x.rule=",
        "--mount=type=volume,source=one.1,destination=/data,readonly",
        "--mount=type=volume,source=one.2,destination=/ww,readonly",
        f"--tmpfs=/cache:{tmpfs}",
        f"--tmpfs=/www:{tmpfs}",
    ]
    assert "volume rm --force one.1 one.2" in (tmp_path / "told").read_text()


@pytest.mark.parametrize("what", ["label", "volume"])
def test_too_much_is_not_looked_through(tmp_path: Path, what: str) -> None:
    done = play("echo started", tmp_path, brought="".join(f'{what} "/{n}"\n' for n in range(2500)))
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"too many labels or volumes" in done.stderr


@pytest.mark.parametrize(
    "brought",
    [
        r'label "a\nb"',
        'label "a b"',
        'label "a=b"',
        'volume "/a,readonly=false"',
        'volume "/a:/b"',
        r'volume "/\"x"',
    ],
)
def test_what_cannot_be_taken_away_is_not_started(tmp_path: Path, brought: str) -> None:
    done = play("echo started", tmp_path, brought=f"{brought}\n")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"whose name cannot be judged" in done.stderr


def removed(tmp_path: Path) -> bool:
    return "rm --force --volumes one" in (tmp_path / "told").read_text()


def test_output_status_and_reason_come_through(tmp_path: Path) -> None:
    done = play("echo out; echo why >&2; exit 7", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"why\n")
    assert not removed(tmp_path)


def test_endless_output_is_cut_and_its_container_removed(tmp_path: Path) -> None:
    done = play("yes", tmp_path)
    assert len(done.stdout) == 100
    assert removed(tmp_path)
    done = play("yes | head -c 1000000 >&2; exit 1", tmp_path)
    assert (done.returncode, len(done.stderr)) == (1, 65536)


def test_what_does_not_end_is_ended_and_its_container_removed(tmp_path: Path) -> None:
    done = play("trap '' TERM; while :; do sleep 1; done", tmp_path, seconds="1")
    assert done.returncode == 137
    assert removed(tmp_path)


def test_stand_ins_are_there_while_it_runs_and_gone_afterwards(tmp_path: Path) -> None:
    folder = tmp_path / "made/one"
    done = play(f"cat {folder}/0", tmp_path, folder=str(folder), stdin=tar_of({"0": b"stand-in"}))
    assert done.stdout == b"stand-in"
    assert not folder.exists()


def test_the_archive_holds_the_stand_ins(service: ConfinedService) -> None:
    with tarfile.open(fileobj=io.BytesIO(tar_of(placed(service).files))) as archive:
        assert archive.getnames() == ["0", "1", "2"]
    assert service.files == {}
    assert str(MOST_BYTES + 1) in service.ask(("x",), container="one", seconds=1)
