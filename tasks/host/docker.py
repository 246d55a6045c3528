"""Docker client command lines: containers, images, the engine itself."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.kernel.argv import Argv, name


def info() -> Argv:
    """Print what the engine says about itself, as JSON."""
    return ("docker", "info", "--format={{json .}}")


def version() -> Argv:
    """Print the versions of client and engine, as JSON."""
    return ("docker", "version", "--format={{json .}}")


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


def list_images(reference: str | None = None, label: str | None = None) -> Argv:
    """List images with their digests, one JSON object a line.

    Args:
        reference: Only these: a repository, with or without tag; `*` stands for anything but a slash.
        label: Only these: `key` or `key=value`.
    """
    return (
        "docker",
        "image",
        "ls",
        "--no-trunc",
        "--digests",
        "--format={{json .}}",
        *((f"--filter=reference={reference}",) if reference else ()),
        *((f"--filter=label={label}",) if label else ()),
    )


def inspect_images(*references: str) -> Argv:
    """Print everything about images, as a JSON list; fails where one is missing, and prints the others."""
    return ("docker", "image", "inspect", "--", *references)


def remove_images(*references: str) -> Argv:
    """Remove images by reference or id; the engine keeps one that a container uses."""
    return ("docker", "image", "rm", "--", *references)


def prune_images(label: str) -> Argv:
    """Remove the images with a label that no container uses."""
    return ("docker", "image", "prune", "--all", "--force", f"--filter=label={label}")


def tag_image(source: str, target: str) -> Argv:
    """Give an image one more name."""
    return ("docker", "image", "tag", "--", source, target)
