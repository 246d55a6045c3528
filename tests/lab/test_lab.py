"""The lab is what the tests believe it is."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.lab.images.packages import Suite, parse_package
from tests.lab.lab import Lab
from tests.lab.server import Server
from tests.lab.settings import Settings
from tests.lab.shell import CommandFailedError, LabError, run, wait_until


def ssh(
    lab: Lab, server: Server, *command: str, known_hosts: Path | None = None
) -> subprocess.CompletedProcess[str]:
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": "5",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": known_hosts or lab.settings.directory / "known_hosts",
    }
    return run(
        (
            *("ssh", "-F", "none", "-i", str(server.private_key_path)),
            *(word for name, value in options.items() for word in ("-o", f"{name}={value}")),
            *(f"{server.user}@{server.address}", *command),
        ),
        check=False,
    )


def test_each_server_has_an_engine_of_its_own(lab: Lab) -> None:
    engines = {
        json.loads(ssh(lab, server, "docker", "info", "--format", "'{{json .ID}}'").stdout)
        for server in lab.servers.values()
    }
    assert len(engines) == len(lab.servers)


def test_deploy_user_runs_compose_without_root(lab: Lab) -> None:
    answer = ssh(lab, lab.servers["feature"], "id -un; docker compose version --short")
    user, version = answer.stdout.split()
    assert user == "deploy"
    assert tuple(map(int, version.split("-")[0].split(".")[:2])) >= (2, 24)


def test_a_server_proves_itself_with_its_own_key(lab: Lab, tmp_path: Path) -> None:
    feature, prod = lab.servers["feature"], lab.servers["prod"]
    wrong = tmp_path / "known_hosts"
    wrong.write_text(f"{feature.address} {prod.host_key}\n")
    answer = ssh(lab, feature, "true", known_hosts=wrong)
    assert answer.returncode == 255
    assert "Host key verification failed" in answer.stderr


def test_registry_refuses_a_wrong_password(lab: Lab) -> None:
    wrong = httpx.get(f"{lab.registry.url}/v2/", auth=(lab.registry.username, "wrong"), trust_env=False)
    right = httpx.get(
        f"{lab.registry.url}/v2/", auth=(lab.registry.username, lab.registry.password), trust_env=False
    )
    assert (wrong.status_code, right.status_code) == (401, 200)


def test_a_server_pulls_by_digest_what_the_controller_pushed(
    lab: Lab, clean_servers: dict[str, Server], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(lab.registry.docker_config())
    docker = ("docker", "--config", str(tmp_path))
    tag = f"{lab.registry.address}/lab-test/nginx:1"
    run((*docker, "tag", "nginx:1.26", tag))
    pushed = run((*docker, "push", tag)).stdout
    digest = re.findall(r"sha256:[0-9a-f]{64}", pushed)[-1]
    run((*docker, "rmi", tag))
    server = clean_servers["staging"]
    server.run(("tee", "/home/deploy/config.json"), stdin=lab.registry.docker_config())
    reference = f"{lab.registry.address}/lab-test/nginx@{digest}"
    pulled = ssh(lab, server, "docker", "--config", "/home/deploy", "pull", "--quiet", reference)
    assert pulled.stdout.strip().endswith(digest)


def test_a_cut_server_is_gone_and_comes_back(lab: Lab, clean_servers: dict[str, Server]) -> None:
    server = clean_servers["prod"]
    server.cut_network()
    assert ssh(lab, server, "true").returncode == 255
    assert server.run(("docker", "info", "--format", "{{.ServerVersion}}")).stdout
    server.restore_network()
    assert ssh(lab, server, "true").returncode == 0


def test_a_killed_engine_can_be_started_again(clean_servers: dict[str, Server]) -> None:
    server = clean_servers["feature"]
    server.run(("docker", "run", "--detach", "--name", "web", "--restart", "always", "nginx:1.26"))
    server.kill_engine()
    assert server.run(("docker", "ps"), check=False).returncode != 0
    server.start_engine()
    assert "web" in server.run(("docker", "ps", "--format", "{{.Names}}")).stdout


def test_a_full_disk_is_full_for_home_and_engine(clean_servers: dict[str, Server]) -> None:
    server = clean_servers["feature"]
    server.fill_disk()
    with pytest.raises(CommandFailedError, match="No space left"):
        server.run(("cp", "/bin/bash", "/home/deploy/dump"))
    with pytest.raises(CommandFailedError) as failed:
        server.run(("docker", "run", "--rm", "--entrypoint", "sh", "nginx:1.26", "-c", "exit 0"))
    # Not always its last line: the client may add where its help is.
    assert "no space left" in failed.value.stderr
    server.free_disk()
    server.run(("docker", "run", "--rm", "--entrypoint", "sh", "nginx:1.26", "-c", "exit 0"))


def test_reset_leaves_images_and_nothing_else(clean_servers: dict[str, Server]) -> None:
    server = clean_servers["staging"]
    server.run(("docker", "run", "--detach", "--volume", "data:/data", "nginx:1.26"))
    server.run(("docker", "network", "create", "left-behind"))
    server.run(("install", "-D", "/dev/null", "/home/deploy/sluice/current"))
    server.run(("docker", "rmi", "--force", "postgres:17"))
    server.reset()
    assert server.run(("docker", "ps", "--all", "--quiet")).stdout == ""
    assert server.run(("docker", "volume", "ls", "--quiet")).stdout == ""
    assert "left-behind" not in server.run(("docker", "network", "ls")).stdout
    assert server.run(("ls", "-A", "/home/deploy")).stdout == ""
    assert server.run(("docker", "image", "inspect", "postgres:17")).returncode == 0


def test_a_stopped_registry_comes_back_with_its_images(lab: Lab, clean_servers: dict[str, Server]) -> None:
    lab.registry.stop()
    assert not lab.registry.answers()
    lab.registry.start()
    response = lab.registry.get("/v2/base/nginx/tags/list")
    assert response is not None
    assert response.json()["tags"] == ["1.26"]


def test_up_repairs_a_removed_server(lab: Lab) -> None:
    run(("docker", "rm", "--force", lab.servers["feature"].container))
    assert Lab.up().servers["feature"].answers()


def test_a_throwaway_database_is_empty_and_writable(postgres_url: str) -> None:
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE proof (id int)")
        assert connection.execute("SELECT count(*) FROM proof").fetchone() == (0,)


def test_waiting_ends_with_one_clear_line() -> None:
    with pytest.raises(LabError, match=r"the flood did not come within 0\.1 s"):
        wait_until(lambda: False, "the flood", seconds=0.1)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SLUICE_LAB_DIR", str(tmp_path))
    settings = Settings()
    assert settings.description == tmp_path / "lab.json"


def test_labs_of_two_folders_have_nothing_in_common() -> None:
    one, two = Settings(directory=Path("/one")), Settings(directory=Path("/two"))
    assert one.name != two.name
    assert not one.subnet.overlaps(two.subnet)
    assert one.registry_address != two.registry_address


PACKAGES = """\
Package: app
Version: 1:2.0-1
Architecture: amd64
Pre-Depends: libc (>= 2.4)
Depends: awk, first | second, python3:any, left-out

Package: libc
Version: 2.41
Architecture: amd64
Essential: yes

Package: mawk
Version: 1
Architecture: amd64
Priority: required
Provides: awk

Package: gawk
Version: 1
Architecture: amd64
Provides: awk

Package: second
Version: 1
Architecture: amd64

Package: python3
Version: 3.13
Architecture: all

Package: left-out
Version: 1
Architecture: amd64
Depends: nowhere

"""


def test_packages_are_resolved_with_what_they_need(tmp_path: Path) -> None:
    listing = tmp_path / "Packages"
    listing.write_text(PACKAGES)
    suite = Suite(listing)
    assert suite.read_required() == ("libc", "mawk")
    chosen = suite.resolve((*suite.read_required(), "app"), without=("left-out",))
    assert [package.name for package in chosen] == ["libc", "mawk", "app", "second", "python3"]
    with pytest.raises(LabError, match="no package nowhere"):
        suite.resolve(("left-out",))


def test_a_package_file_is_named_as_apt_names_it() -> None:
    assert parse_package(PACKAGES.split("\n\n", maxsplit=1)[0]).file_name == "app_1%3a2.0-1_amd64.deb"
