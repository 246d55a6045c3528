"""Decides which images are missing, and pulls or makes them."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.lab.images.apt import Apt
from tests.lab.images.recipes import BASE_IMAGE, Recipe, base_images, server
from tests.lab.images.stand_ins import RECIPE_LABEL, make_images, recipe_digest
from tests.lab.locks import locked
from tests.lab.shell import LabError, run

PROBE_SECONDS = 5
PULL_SECONDS = 600

logger = logging.getLogger(__name__)


def ensure_images(directory: Path) -> dict[str, str]:
    """Makes sure that the engine has the base images and the server image; safe to run again.

    Base images are pulled where a public registry answers, and made where none does. The server image is always
    made.

    Args:
        directory: Where downloaded packages are kept.

    Returns:
        The base images' ids by their names.
    """
    recipes = (*base_images(), server())
    if not all(map(_is_there, recipes)):
        # Several labs may share the folder and the engine.
        with locked(directory):
            _provide([recipe for recipe in recipes if not _is_there(recipe)], directory)
    found = run(
        ("docker", "image", "inspect", "--format", "{{.Id}}", *(recipe.tag for recipe in base_images()))
    )
    return dict(zip((recipe.tag for recipe in base_images()), found.stdout.split(), strict=True))


def _is_there(recipe: Recipe) -> bool:
    found = run(
        ("docker", "image", "inspect", "--format", "{{json .Config.Labels}}", recipe.tag), check=False
    )
    if found.returncode != 0:
        return False
    label = (json.loads(found.stdout) or {}).get(RECIPE_LABEL)
    # Without a label it is the real one.
    return label in (recipe_digest(recipe), None)


def _provide(missing: Sequence[Recipe], directory: Path) -> None:
    if not missing:
        return
    if not _a_registry_answers():
        make_images(missing, Apt.here(directory), with_base=True)
        return
    tags = [recipe.tag for recipe in missing if recipe in base_images()]
    _pull([BASE_IMAGE, *tags])
    if server() in missing:
        make_images((server(),), Apt.in_container(directory, BASE_IMAGE), with_base=False)


def _a_registry_answers() -> bool:
    argv = ("docker", "buildx", "imagetools", "inspect", BASE_IMAGE)
    try:
        return run(argv, check=False, timeout_seconds=PROBE_SECONDS).returncode == 0
    except LabError:
        return False


def _pull(tags: Sequence[str]) -> None:
    logger.info("pulling %s", ", ".join(tags))
    with ThreadPoolExecutor() as pool:
        list(
            pool.map(lambda tag: run(("docker", "pull", "--quiet", tag), timeout_seconds=PULL_SECONDS), tags)
        )
