"""What is in each image the lab makes itself."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.images.apt import SOURCES_FILE, sources
from tests.lab.images.layers import Entry, File, Folder, Link

FILES = Path(__file__).parent / "files"

BASE_IMAGE = "debian:trixie-slim"
SERVER_IMAGE = "sluice-lab/server:latest"

_PACKET_FILTER_COMMANDS = tuple(
    f"{family}tables{action}" for family in ("ip", "ip6") for action in ("", "-save", "-restore")
)

_CA_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
_DEPLOY_UID = 1000
_DOCKER_GID = 990
_SSHD_UID = 991
_NGINX_UID = 101
_POSTGRES_UID = 999


@dataclass(frozen=True)
class Recipe:
    """An image made from Debian packages.

    Attributes:
        tag: The image's name.
        packages: What is installed, on top of the base image's packages.
        without: Dependencies left out with what only they need.
        entries: Plain files, links and folders.
        config: What a container runs, in the keys of the image specification.
        finish: A command run once in a container of the image, whose result is the image.
    """

    tag: str
    packages: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    finish: tuple[str, ...] = ()


@dataclass(frozen=True)
class User:
    """A line in the account files."""

    name: str
    uid: int
    home: str = "/nonexistent"
    shell: str = "/usr/sbin/nologin"
    groups: tuple[str, ...] = ()


def read_ca_bundle() -> bytes:
    """The certificates this machine trusts, which on some networks include an intercepting proxy's."""
    named = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile or f"/{_CA_BUNDLE}"
    return Path(named).read_bytes()


def _accounts(*users: User, groups: Mapping[str, int] | None = None) -> tuple[Entry, ...]:
    everyone = (User("root", 0, "/root", "/bin/bash"), User("_apt", 42), User("nobody", 65534), *users)
    passwd = [f"{user.name}:x:{user.uid}:{user.uid}::{user.home}:{user.shell}" for user in everyone]
    shadow = [f"{user.name}:*:20000:0:99999:7:::" for user in everyone]
    own_groups = {user.name: user.uid for user in everyone}
    standard = {"tty": 5, "adm": 4, "shadow": 43, "utmp": 44, "mail": 8, "nogroup": 65533}
    group = [
        f"{name}:x:{gid}:{','.join(user.name for user in users if name in user.groups)}"
        for name, gid in {**own_groups, **standard, **(groups or {})}.items()
    ]
    return (
        File("etc/passwd", _lines(passwd)),
        File("etc/group", _lines(group)),
        File("etc/shadow", _lines(shadow), 0o640),
    )


def _lines(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _script(name: str, path: str) -> File:
    return File(path, (FILES / name).read_bytes(), 0o755)


def _config_file(name: str, path: str) -> File:
    return File(path, (FILES / name).read_bytes())


def base(mirror: str) -> Recipe:
    """The stand-in for Debian's slim image; `apt-get install` works in it, from this machine's own mirror."""
    return Recipe(
        tag=BASE_IMAGE,
        packages=("apt", "debian-archive-keyring"),
        entries=(
            *_accounts(),
            File(_CA_BUNDLE, read_ca_bundle()),
            File(SOURCES_FILE.removeprefix("/"), sources(mirror).encode()),
            File("etc/nsswitch.conf", b"passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"),
            Link("usr/bin/awk", "mawk"),
            Link("usr/bin/which", "which.debianutils"),
            *(
                Folder(path)
                for path in ("home", "media", "mnt", "opt", "srv", "usr/local/bin", "usr/local/sbin")
            ),
            *(Folder(path, mode=0o1777) for path in ("tmp", "var/tmp")),
            Folder("root", mode=0o700),
            Link("var/run", "/run"),
            Link("var/lock", "/run/lock"),
            Folder("var/lib/apt/lists/partial"),
            Folder("var/cache/apt/archives/partial"),
        ),
        config={
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Cmd": ["bash"],
        },
    )


def python() -> Recipe:
    """The stand-in for the official Python image: `python` and `pip` on the path, pip free to install."""
    ca_bundle = f"/{_CA_BUNDLE}"
    return Recipe(
        tag="python:3.13-slim",
        packages=("python3", "python3-pip", "python3-venv", "netbase"),
        entries=(
            Link("usr/local/bin/python", "/usr/bin/python3"),
            Link("usr/local/bin/python3", "/usr/bin/python3"),
            Link("usr/local/bin/pip", "/usr/bin/pip3"),
        ),
        config={
            "Env": [
                "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
                "LANG=C.UTF-8",
                f"SSL_CERT_FILE={ca_bundle}",
                f"PIP_CERT={ca_bundle}",
                "PIP_BREAK_SYSTEM_PACKAGES=1",
            ],
            "Cmd": ["python3"],
        },
        # Debian compiles when it installs; without it each container would compile the standard library anew.
        finish=("python3", "-m", "compileall", "-q", "-j", "0", "/usr/lib/python3.13", "/usr/lib/python3"),
    )


def postgres() -> Recipe:
    """The stand-in for the official PostgreSQL image, with its variables, folders and first-start scripts."""
    data = "/var/lib/postgresql/data"
    return Recipe(
        tag="postgres:17",
        packages=("postgresql-17",),
        without=("libllvm19", "postgresql-common", "postgresql-client-common", "locales", "ssl-cert"),
        entries=(
            *_accounts(User("postgres", _POSTGRES_UID, "/var/lib/postgresql", "/bin/bash")),
            Folder("var/lib/postgresql", _POSTGRES_UID),
            Folder(data.removeprefix("/"), _POSTGRES_UID, 0o700),
            Folder("run/postgresql", _POSTGRES_UID, 0o2775),
            Folder("docker-entrypoint-initdb.d"),
            _script("postgres-entrypoint.sh", "usr/local/bin/docker-entrypoint.sh"),
        ),
        config={
            "Env": [
                "PATH=/usr/lib/postgresql/17/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "LANG=C.UTF-8",
                "PG_MAJOR=17",
                f"PGDATA={data}",
            ],
            "Entrypoint": ["docker-entrypoint.sh"],
            "Cmd": ["postgres"],
            "ExposedPorts": {"5432/tcp": {}},
            "Volumes": {data: {}},
            "StopSignal": "SIGINT",
        },
    )


def nginx() -> Recipe:
    """The stand-in for the official nginx image: its configuration folders, logs on the standard streams."""
    return Recipe(
        tag="nginx:1.26",
        packages=("nginx", "gettext-base"),
        without=("iproute2",),
        entries=(
            *_accounts(User("nginx", _NGINX_UID)),
            _config_file("nginx.conf", "etc/nginx/nginx.conf"),
            _config_file("nginx-default.conf", "etc/nginx/conf.d/default.conf"),
            _config_file("nginx-index.html", "usr/share/nginx/html/index.html"),
            _script("nginx-entrypoint.sh", "docker-entrypoint.sh"),
            Link("var/log/nginx/access.log", "/dev/stdout"),
            Link("var/log/nginx/error.log", "/dev/stderr"),
        ),
        config={
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Entrypoint": ["/docker-entrypoint.sh"],
            "Cmd": ["nginx", "-g", "daemon off;"],
            "ExposedPorts": {"80/tcp": {}},
            "StopSignal": "SIGQUIT",
        },
    )


def server() -> Recipe:
    """A server as teams rent them: sshd, Docker with Compose, and a deploy user; and the registry's program."""
    home = "/home/deploy"
    iptables = [Link(f"usr/sbin/{name}", "xtables-nft-multi") for name in _PACKET_FILTER_COMMANDS]
    return Recipe(
        tag=SERVER_IMAGE,
        packages=(
            "openssh-server", "openssh-sftp-server", "tini", "iptables", "docker.io", "docker-cli", "docker-compose",
            "docker-registry", "e2fsprogs", "procps", "zstd",
        ),
        without=("adduser", "openssh-client", "ucf", "runit-helper", "lsb-base", "systemd", "init-system-helpers"),
        entries=(
            *_accounts(
                User("deploy", _DEPLOY_UID, home, "/bin/bash", groups=("docker",)),
                User("sshd", _SSHD_UID, "/run/sshd"),
                groups={"docker": _DOCKER_GID},
            ),
            *iptables,
            _script("server-boot.sh", "usr/local/sbin/server-boot"),
            _script("server-engine.sh", "usr/local/sbin/server-engine"),
            _script("server-fill-disk.sh", "usr/local/sbin/server-fill-disk"),
            _script("server-images.sh", "usr/local/sbin/server-images"),
            _script("server-reset.sh", "usr/local/sbin/server-reset"),
            _config_file("server-sshd.conf", "etc/ssh/sshd_config"),
            _config_file("server-daemon.json", "etc/docker/daemon.json"),
            _config_file("registry.yml", "etc/docker/registry/config.yml"),
            Folder(home.removeprefix("/"), _DEPLOY_UID, 0o700),
            Folder("disk"),
        ),
        config={
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Entrypoint": ["tini", "--"],
            "Cmd": ["server-boot"],
        },
    )  # fmt: skip


def base_images() -> tuple[Recipe, ...]:
    """The images that applications build on or run, each under its public name."""
    return (python(), postgres(), nginx())
