"""The lab's container registry, with a login."""

from __future__ import annotations

import base64
import json
import logging
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import httpx

from tests.lab.images.recipes import SERVER_IMAGE
from tests.lab.settings import REGISTRY_HOST_NUMBER, Settings
from tests.lab.shell import run, wait_until

START_SECONDS = 60
PUSH_SECONDS = 300
USERNAME = "sluice"

# Where the base images lie in the registry.
BASE_PREFIX = "base"

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

logger = logging.getLogger(__name__)


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
        """Where its API is: plain HTTP, because the address is a loopback one."""
        return f"http://{self.address}"

    def docker_config(self) -> str:
        """The text of a Docker `config.json` that is logged in here."""
        login = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return json.dumps({"auths": {self.address: {"auth": login}}})

    def get(self, path: str, **headers: str) -> httpx.Response | None:
        """Asks its API, logged in; None when it does not answer."""
        try:
            return httpx.get(
                f"{self.url}{path}",
                headers=headers,
                auth=(self.username, self.password),
                timeout=5,
                trust_env=False,
            )
        except httpx.TransportError:
            return None

    def answers(self) -> bool:
        """Whether it accepts its own login."""
        response = self.get("/v2/")
        return response is not None and response.is_success

    def stop(self) -> None:
        """Stops it at once, as a crash would; images stay."""
        run(("docker", "kill", self.container), check=False)
        wait_until(lambda: not self.answers(), "the registry's end", seconds=START_SECONDS)

    def start(self) -> None:
        """Starts it again, unless it runs, and waits until it answers."""
        run(("docker", "start", self.container))
        wait_until(self.answers, "the registry's first answer", seconds=START_SECONDS)

    def has_image(self, image: str, image_id: str) -> bool:
        """Whether it holds a base image with this very content."""
        name, _, tag = image.partition(":")
        response = self.get(f"/v2/{BASE_PREFIX}/{name}/manifests/{tag}", Accept=_MANIFEST)
        return (
            response is not None and response.is_success and response.json()["config"]["digest"] == image_id
        )


def ensure_registry(settings: Settings) -> Registry:
    """Makes sure that the registry runs and answers; safe to run again."""
    folder = settings.directory / "registry"
    password = _ensure_password(folder)
    registry = Registry(settings.registry_address, USERNAME, password, f"{settings.name}-registry")
    if registry.answers():
        return registry
    logger.info("starting the registry on %s", registry.address)
    run(("docker", "rm", "--force", registry.container), check=False)
    run(
        (
            *("docker", "run", "--detach", "--name", registry.container, "--hostname", "registry"),
            *("--label", settings.label),
            *("--network", settings.name, "--ip", str(settings.host_address(REGISTRY_HOST_NUMBER))),
            *("--publish", f"{registry.address}:5000"),
            *("--volume", f"{registry.container}:/var/lib/registry"),
            *("--volume", f"{folder}:/etc/sluice-lab:ro"),
            *(SERVER_IMAGE, "docker-registry", "serve", "/etc/docker/registry/config.yml"),
        )
    )
    wait_until(registry.answers, "the registry's first answer", seconds=START_SECONDS)
    return registry


def ensure_pushed(registry: Registry, images: Mapping[str, str], folder: Path) -> None:
    """Puts base images into the registry, from which the servers take them; safe to run again.

    Args:
        registry: The registry.
        images: Each image's id by its name.
        folder: Where Docker's configuration with the registry's login is written.
    """
    missing = [image for image, image_id in images.items() if not registry.has_image(image, image_id)]
    if not missing:
        return
    logger.info("pushing %s", ", ".join(missing))
    config = folder / "docker"
    config.mkdir(parents=True, exist_ok=True)
    (config / "config.json").write_text(registry.docker_config())
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda image: _push(registry, image, config), missing))


def _push(registry: Registry, image: str, config: Path) -> None:
    reference = f"{registry.address}/{BASE_PREFIX}/{image}"
    run(("docker", "tag", image, reference))
    run(("docker", "--config", str(config), "push", "--quiet", reference), timeout_seconds=PUSH_SECONDS)
    run(("docker", "rmi", reference))


def _ensure_password(folder: Path) -> str:
    path = folder / "password"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        password = secrets.token_urlsafe(18)
        # Few rounds: the engine sends the password with each request, and this registry guards nothing.
        digest = bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=5)).decode()
        (folder / "htpasswd").write_text(f"{USERNAME}:{digest}\n")
        path.write_text(password)
    return path.read_text()
