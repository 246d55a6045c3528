"""Writes images in the form that `docker load` reads."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import IO, Any

from tests.lab.images.layers import StoredLayer

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write_archive(
    target: IO[bytes], tag: str, config: Mapping[str, Any], layers: Sequence[StoredLayer]
) -> None:
    """Writes one image.

    Args:
        target: Where the archive goes; need not be seekable.
        tag: The image's name.
        config: What a container of it runs, in the keys of the image specification (`Cmd`, `Env`, …).
        layers: Its layers, the lowest first.
    """
    image = {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "created": datetime.now(UTC).isoformat(),
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in layers]},
    }
    content = json.dumps(image).encode()
    config_name = f"{hashlib.sha256(content).hexdigest()}.json"
    manifest = [
        {"Config": config_name, "RepoTags": [tag], "Layers": [f"{layer.digest}.tar" for layer in layers]}
    ]
    with tarfile.open(fileobj=target, mode="w|") as archive:
        for layer in layers:
            archive.add(layer.path, arcname=f"{layer.digest}.tar")
        for name, data in ((config_name, content), ("manifest.json", json.dumps(manifest).encode())):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
