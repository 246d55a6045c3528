"""Starts the lab's servers."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from tests.lab.images.recipes import SERVER_IMAGE
from tests.lab.keys import ensure_key
from tests.lab.registry import BASE_PREFIX, Registry
from tests.lab.server import BOOT_SECONDS, Server
from tests.lab.settings import FIRST_SERVER_HOST_NUMBER, REGISTRY_HOST_NUMBER, Settings
from tests.lab.shell import LabError, run, wait_until

USER = "deploy"
SSH_PORT = 22

logger = logging.getLogger(__name__)


def describe_server(settings: Settings, name: str, number: int) -> Server:
    """A server's data, which are known before it starts; makes its keys.

    Args:
        settings: The lab's settings.
        name: The server's name.
        number: Its number, from 0, which gives its address.
    """
    folder = settings.directory / "servers" / name
    deploy_key = settings.directory / "ssh" / "id_ed25519"
    authorized_key = ensure_key(deploy_key)
    host_key = ensure_key(folder / "ssh_host_ed25519_key")
    (folder / "authorized_keys").write_text(authorized_key + "\n")
    return Server(
        name=name,
        address=str(settings.host_address(FIRST_SERVER_HOST_NUMBER + number)),
        port=SSH_PORT,
        user=USER,
        private_key_path=deploy_key,
        host_key=host_key,
        container=f"{settings.name}-{name}",
        network=settings.name,
    )


def ensure_server(settings: Settings, server: Server) -> None:
    """Makes sure that a server runs and answers, faults taken back; safe to run again."""
    if _is_current(settings, server):
        server.restore_network()
        server.start_engine()
        return
    logger.info("starting server %s on %s", server.name, server.address)
    run(("docker", "rm", "--force", server.container), check=False)
    run(_run_argv(settings, server))
    try:
        wait_until(server.answers, f"the SSH greeting of {server.name}", seconds=BOOT_SECONDS)
    except LabError as error:
        log = run(("docker", "logs", "--tail", "3", server.container), check=False)
        raise LabError(f"{error}; its last words: {(log.stdout + log.stderr).strip()}") from error
    server.execute("server-reset")


def give_images(settings: Settings, server: Server, registry: Registry, images: Mapping[str, str]) -> None:
    """Makes sure that a server's engine has the base images; safe to run again.

    The server keeps the list, so that `reset` brings back what a test removed.
    """
    prefix = f"{registry.address}/{BASE_PREFIX}"
    folder = settings.directory / "servers" / server.name
    lines = [f"{prefix}/{image} {image} {image_id}\n" for image, image_id in images.items()]
    (folder / "images").write_text("".join(lines))
    (folder / "config.json").write_text(registry.docker_config())
    server.execute("server-images")


def _run_argv(settings: Settings, server: Server) -> tuple[str, ...]:
    registry_target = f"{settings.host_address(REGISTRY_HOST_NUMBER)}:5000"
    return (
        *("docker", "run", "--detach", "--privileged", "--name", server.container, "--hostname", server.name),
        *("--label", settings.label),
        *("--network", server.network, "--ip", server.address),
        *("--env", f"REGISTRY_PORT={settings.registry_port}", "--env", f"REGISTRY_TARGET={registry_target}"),
        *("--tmpfs", "/run:exec", "--volume", f"{server.container}:/disk"),
        *("--volume", f"{settings.directory / 'servers' / server.name}:/etc/sluice-lab:ro"),
        SERVER_IMAGE,
    )


def _is_current(settings: Settings, server: Server) -> bool:
    """Whether it runs from today's image, with this lab's keys."""
    image_id = run(("docker", "image", "inspect", "--format", "{{.Id}}", SERVER_IMAGE)).stdout.strip()
    template = "{{.State.Running}} {{.Image}} {{range .Mounts}}{{.Source}} {{end}}"
    found = run(("docker", "inspect", "--format", template, server.container), check=False).stdout.split()
    folder = settings.directory / "servers" / server.name
    return found[:2] == ["true", image_id] and str(folder) in found
