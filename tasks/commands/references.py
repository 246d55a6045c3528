"""Image references as compose files write them, taken apart."""

from __future__ import annotations

from dataclasses import dataclass

HUB = "docker.io"
_OFFICIAL = "library/"


@dataclass(frozen=True)
class ImageReference:
    """Where an image is.

    Attributes:
        registry: The registry's address, host and port; Docker Hub's where none is written.
        path: The repository's path in it.
        tag: The tag, `latest` where none is written.
        digest: The digest, empty where none is written.
    """

    registry: str
    path: str
    tag: str
    digest: str = ""


def parse_reference(text: str) -> ImageReference:
    """Take an image reference apart, as Docker reads it.

    Args:
        text: For example `postgres:17`, `ghcr.io/team/app:1.2` or `redis@sha256:…`.

    Returns:
        Its parts.
    """
    name, _, digest = text.partition("@")
    first, slash, rest = name.partition("/")
    # Only what looks like a host is one: `team/app` is a repository of Docker Hub.
    named = bool(slash) and (first == "localhost" or any(mark in first for mark in ".:"))
    registry, path = (first, rest) if named else (HUB, name)
    path, colon, tag = path.rpartition(":") if ":" in path else (path, "", "")
    if registry == HUB and "/" not in path:
        path = f"{_OFFICIAL}{path}"
    return ImageReference(registry, path, tag if colon else "latest", digest)
