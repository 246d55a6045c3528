"""The command lines as a real Docker Compose understands them, on a project of one database."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tasks.database.commands.copies import feed
from tasks.database.engine.protocols import Login
from tasks.database.postgresql import dumps
from tasks.host import docker, scripts
from tasks.host.compose import ComposeProject, leaves_alone, parse_config
from tasks.host.host_facts import IN_SERVICE
from tasks.host.scripts import script
from tasks.kernel.argv import Argv
from tests.lab.postgres import Postgres

COMPOSE = """
services:
  db:
    image: postgres:17
    environment:
      POSTGRES_USER: shop
      POSTGRES_DB: shop
      POSTGRES_PASSWORD: ${PASSWORD:?}
    healthcheck: {test: ["CMD", "pg_isready", "-U", "shop"], interval: 1s, timeout: 5s, retries: 60}
  tool:
    image: postgres:17
    profiles: [tools]
    command: ["true"]
"""


def run(argv: Argv, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(argv, input=stdin or b"", capture_output=True, timeout=180, check=False)


def output(argv: Argv) -> str:
    done = run(argv)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture(scope="module")
def project(postgres_server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeProject]:
    assert postgres_server  # The engine runs, and has the image.
    folder = tmp_path_factory.mktemp("it's a project")
    (folder / "compose.yml").write_text(COMPOSE)
    (folder / ".env").write_text("PASSWORD=not-this-one\n")
    (folder / "prod.env").write_text("PASSWORD=it's $$ecret\n")
    made = ComposeProject(
        f"sluice-test-{uuid4().hex[:8]}",
        str(folder),
        env_file=str(folder / "prod.env"),
        files=(str(folder / "compose.yml"),),
    )
    done = run(waiting(made))
    assert done.returncode == 0, done.stderr.decode()
    yield made
    run(made.argv("down", "--volumes", "--timeout=1"))


def listed(argv: Argv) -> list[dict[str, str]]:
    """Return the objects a command printed, one a line."""
    return [json.loads(line) for line in output(argv).splitlines()]


def containers(project: ComposeProject) -> list[dict[str, str]]:
    return listed(project.argv("ps", "--all", "--no-trunc", "--format=json"))


def waiting(project: ComposeProject) -> tuple[str, ...]:
    return (*project.up(), "--wait", "--wait-timeout=120")


def test_the_configuration_is_printed(project: ComposeProject) -> None:
    config = parse_config(output(project.config_json()))
    assert set(config["services"]) == {"db"}
    assert "not-this-one" not in json.dumps(config)


def test_without_an_env_file_none_is_read(project: ComposeProject) -> None:
    bare = ComposeProject(project.name, project.directory, files=project.files)
    done = run(bare.config_json())
    assert done.returncode != 0
    assert b"PASSWORD" in done.stderr


def test_images_that_are_there_are_not_pulled(project: ComposeProject) -> None:
    assert run(project.pull()).returncode == 0


def test_up_changes_nothing_the_second_time(project: ComposeProject) -> None:
    before = containers(project)
    output(waiting(project))
    assert [found["ID"] for found in containers(project)] == [found["ID"] for found in before]
    assert (before[0]["Service"], before[0]["State"], before[0]["Health"]) == ("db", "running", "healthy")


def test_an_image_that_is_missing_is_never_pulled_by_up(project: ComposeProject, tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text("services: {web: {image: 'registry.invalid/no/image:1'}}")
    other = ComposeProject(f"{project.name}-missing", str(tmp_path), files=(str(tmp_path / "compose.yml"),))
    done = run(other.up())
    assert done.returncode != 0
    assert b"No such image" in done.stderr
    assert containers(other) == []


def test_a_command_runs_in_a_container_of_its_own(project: ComposeProject) -> None:
    name = f"{project.name}-once"
    argv = project.run_once(
        "tool",
        ("sh", "-c", 'printf "%s %s" "$SAID" "$1"', "x", "it's"),
        name=name,
        no_deps=True,
        env={"SAID": "$(a) b"},
    )
    assert output(argv) == "$(a) b it's"
    assert run(docker.inspect(name)).returncode != 0


def test_the_exit_status_of_a_command_is_told(project: ComposeProject) -> None:
    argv = project.run_once("tool", ("sh", "-c", "exit 7"), name=f"{project.name}-seven", no_deps=True)
    assert run(argv).returncode == 7


def test_a_container_is_waited_for_and_removed(project: ComposeProject) -> None:
    name = f"{project.name}-late"
    started = ("docker", "run", "--detach", "--name", name, "postgres:17", "sh", "-c", "sleep 1; exit 5")
    output(started)
    assert output(docker.wait_container(name)) == "5\n"
    found = json.loads(output(docker.inspect(name)))
    assert found[0]["State"]["ExitCode"] == 5
    for _ in range(2):
        assert run(docker.remove_container(name)).returncode == 0
    assert run(docker.wait_container(name)).returncode != 0


def test_containers_are_listed(project: ComposeProject) -> None:
    found = listed(docker.list_containers({"com.docker.compose.project": project.name}))
    assert [container["Names"] for container in found] == [f"{project.name}-db-1"]


def test_a_database_is_dumped_through_its_service(project: ComposeProject, tmp_path: Path) -> None:
    path = tmp_path / "x.dump"

    def listing(service: str) -> Argv:
        inner = script(IN_SERVICE, "sluice-service", project.name, service, *dumps.listing())
        return feed(str(path), inner)

    done = run(scripts.dump(str(path), project.argv("exec", "--no-TTY", "db", *dumps.dump(Login()))))
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().split()[1] == str(path.stat().st_size)
    assert path.stat().st_mode & 0o077 == 0
    listed = run(listing("db"))
    assert listed.returncode == 0
    assert b"Archive created" in listed.stdout
    fed = run(feed(str(path), ("cat",)))
    assert fed.stdout == path.read_bytes()
    assert run(listing("other")).returncode == 66


def test_a_login_reaches_the_engine(project: ComposeProject) -> None:
    done = run(scripts.login(project.argv("ps", "--all", "--format=json")), b'{"auths": {}}')
    assert done.returncode == 0, done.stderr.decode()
    assert len(done.stdout.splitlines()) == 1


def test_a_service_is_stopped_and_its_container_stays(project: ComposeProject) -> None:
    output(project.stop("db"))
    assert containers(project)[0]["State"] == "exited"
    output(waiting(project))


def said(project: ComposeProject) -> str:
    done = run(project.create())
    assert done.returncode == 0, done.stderr.decode()
    return (done.stdout + done.stderr).decode()


def test_compose_says_what_it_leaves_alone_and_starts_nothing(project: ComposeProject) -> None:
    name = f"{project.name}-db-1"
    assert leaves_alone(said(project), [name], [])
    run(project.stop("db"))
    assert not leaves_alone(said(project), [name], [])
    # Another password makes it another container.
    other = Path(project.directory) / "other.env"
    other.write_text("PASSWORD=another\n")
    changed = ComposeProject(project.name, project.directory, env_file=str(other), files=project.files)
    assert not leaves_alone(said(changed), [name], [])
    assert containers(project)[0]["State"] == "created"
    assert run(waiting(project)).returncode == 0
    assert leaves_alone(said(project), [name], [])
