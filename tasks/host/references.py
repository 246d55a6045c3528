"""Image references as compose files write them, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

HUB = "docker.io"
_OFFICIAL = "library/"
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*\Z")


@dataclass(frozen=True)
class ImageReference:
    """Where an image is.

    Attributes:
        registry: The registry's address, host and port; Docker Hub's where none is written.
    """

    registry: str
    path: str
    tag: str
    digest: str = ""


def parse_reference(text: str) -> ImageReference:
    """Take an image reference apart, as Docker reads it.

    Args:
        text: For example `postgres:17`, `ghcr.io/team/app:1.2` or `redis@sha256:…`.
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


def is_reference(text: str) -> bool:
    """Say whether a text can be an image reference at all: no engine takes other characters."""
    return bool(_REFERENCE.match(text))


def local_name(text: str) -> str:
    """Return an image reference as an engine lists it: Docker Hub left out, the tag too where there is a digest."""
    found = parse_reference(text)
    name = found.path.removeprefix(_OFFICIAL) if found.registry == HUB else f"{found.registry}/{found.path}"
    return f"{name}@{found.digest}" if found.digest else f"{name}:{found.tag}"
