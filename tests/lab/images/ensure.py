"""Decides which images are missing, and pulls or makes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.lab.images.recipes import BASE_IMAGE, Recipe, base_images, server
from tests.lab.images.stand_ins import RECIPE_LABEL, make_images, recipe_digest
from tests.lab.shell import LabError, run

PROBE_SECONDS = 5
PULL_SECONDS = 300


def ensure_images(directory: Path) -> None:
    """Makes sure that the engine has the base images and the server image; safe to run again.

    Args:
        directory: Where downloaded packages are kept.
    """
    missing = [recipe for recipe in base_images() if not _is_there(recipe, any_origin=True)]
    if missing and _a_registry_answers():
        _pull([recipe.tag for recipe in missing])
        missing = []
    if not _is_there(server(), any_origin=False):
        missing.append(server())
    if missing:
        directory.mkdir(parents=True, exist_ok=True)
        make_images(missing, directory)


def _is_there(recipe: Recipe, *, any_origin: bool) -> bool:
    found = run(("docker", "image", "inspect", "--format", "{{json .Config.Labels}}", recipe.tag), check=False)
    if found.returncode != 0:
        return False
    label = (json.loads(found.stdout) or {}).get(RECIPE_LABEL)
    return label == recipe_digest(recipe) or (any_origin and label is None)


def _a_registry_answers() -> bool:
    try:
        argv = ("docker", "buildx", "imagetools", "inspect", BASE_IMAGE)
        return run(argv, check=False, timeout_seconds=PROBE_SECONDS).returncode == 0
    except LabError:
        return False


def _pull(tags: Sequence[str]) -> None:
    with ThreadPoolExecutor() as pool:
        for future in [pool.submit(run, ("docker", "pull", "--quiet", tag), timeout_seconds=PULL_SECONDS) for tag in tags]:
            future.result()
