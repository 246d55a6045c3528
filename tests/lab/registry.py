"""The lab's container registry, with a login."""

from __future__ import annotations

import base64
import json
import secrets
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import bcrypt

from tests.lab.images.recipes import SERVER_IMAGE
from tests.lab.settings import REGISTRY_HOST_NUMBER, Settings
from tests.lab.shell import run, wait_until

START_SECONDS = 20
BASE_PREFIX = "base"


@dataclass(frozen=True)
class Registry:
    """An authenticated registry, under the same name on the controller and on each server.

    Attributes:
        address: `host:port`, the first part of image references.
        username: The one account's name.
        password: Its password.
        container: The container it runs in.
    """

    address: str
    username: str
    password: str
    container: str

    @property
    def url(self) -> str:
        """Where its API is, plain HTTP."""
        return f"http://{self.address}"

    def docker_config(self) -> str:
        """The text of a Docker `config.json` that is logged in here."""
        login = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return json.dumps({"auths": {self.address: {"auth": login}}})

    def answers(self) -> bool:
        """Whether it accepts its own login."""
        login = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        request = urllib.request.Request(f"{self.url}/v2/", headers={"Authorization": f"Basic {login}"})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=2) as response:  # noqa: S310 - always http
                return bool(response.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        """Stops it, as if it had crashed; images stay."""
        run(("docker", "kill", self.container), check=False)
        wait_until(lambda: not self.answers(), "the registry's end", seconds=START_SECONDS)

    def start(self) -> None:
        """Starts it again and waits until it answers."""
        run(("docker", "start", self.container))
        wait_until(self.answers, "the registry's first answer", seconds=START_SECONDS)


def ensure_registry(settings: Settings, network: str) -> Registry:
    """Makes sure that the registry runs and answers; safe to run again."""
    folder = settings.directory / "registry"
    registry = Registry(settings.registry_address, "sluice", _ensure_password(folder), f"{settings.name}-registry")
    if registry.answers():
        return registry
    run(("docker", "rm", "--force", registry.container), check=False)
    run(
        (
            *("docker", "run", "--detach", "--name", registry.container, "--hostname", "registry"),
            *("--network", network, "--ip", str(settings.host_address(REGISTRY_HOST_NUMBER))),
            *("--publish", f"{registry.address}:5000"),
            *("--volume", f"{settings.name}-registry:/var/lib/registry"),
            *("--volume", f"{folder}:/etc/sluice-lab:ro"),
            *(SERVER_IMAGE, "docker-registry", "serve", "/etc/docker/registry/config.yml"),
        )
    )
    wait_until(registry.answers, "the registry's first answer", seconds=START_SECONDS)
    return registry


def ensure_pushed(registry: Registry, images: tuple[str, ...], folder: Path) -> None:
    """Puts the base images into the registry, from which the servers take them."""
    config = folder / "docker"
    config.mkdir(parents=True, exist_ok=True)
    (config / "config.json").write_text(registry.docker_config())
    for image in images:
        reference = f"{registry.address}/{BASE_PREFIX}/{image}"
        run(("docker", "tag", image, reference))
        run(("docker", "--config", str(config), "push", "--quiet", reference), timeout_seconds=300)


def _ensure_password(folder: Path) -> str:
    path = folder / "password"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        password = secrets.token_urlsafe(18)
        digest = bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=5)).decode()
        (folder / "htpasswd").write_text(f"sluice:{digest}\n")
        path.write_text(password)
    return path.read_text()
