"""Docker client command lines: containers, images, the engine itself."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.kernel.argv import Argv, name


def inspect(*containers: str) -> Argv:
    """Print everything about containers, as a JSON list."""
    return ("docker", "container", "inspect", *(name(container, "container") for container in containers))


def list_containers(labels: Mapping[str, str]) -> Argv:
    """List the containers that have all these labels, ended ones too, one JSON object a line."""
    filters = (f"--filter=label={key}={value}" for key, value in labels.items())
    return ("docker", "container", "ls", "--all", "--no-trunc", "--format={{json .}}", *filters)


def remove_container(container: str) -> Argv:
    """Remove a container, running or not; one that is not there is no error."""
    return ("docker", "container", "rm", "--force", "--volumes", name(container, "container"))


def discard_container(container: str) -> Argv:
    """Remove a container that does not run; its volumes stay."""
    return ("docker", "container", "rm", name(container, "container"))


def rename_container(container: str, new: str) -> Argv:
    """Give a container another name."""
    return ("docker", "container", "rename", name(container, "container"), name(new, "container"))


def wait_container(container: str) -> Argv:
    """Wait until a container ends and print its exit status; fails at once where there is none."""
    return ("docker", "container", "wait", name(container, "container"))
