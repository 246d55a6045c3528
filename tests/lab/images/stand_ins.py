"""Makes images from recipes and gives them to the engine."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.images.apt import Apt
from tests.lab.images.archive import write_archive
from tests.lab.images.layers import StoredLayer, write_layer
from tests.lab.images.packages import Package, Suite
from tests.lab.images.recipes import Recipe, base
from tests.lab.shell import CommandFailedError, run

RECIPE_LABEL = "sluice.lab.recipe"
LOAD_SECONDS = 300

logger = logging.getLogger(__name__)


def recipe_digest(recipe: Recipe) -> str:
    """What an image is labelled with, so that a changed recipe, or a changed base, is noticed."""
    return hashlib.sha256(repr((base(mirror=""), recipe)).encode()).hexdigest()[:16]


def make_images(recipes: Sequence[Recipe], apt: Apt, *, with_base: bool) -> None:
    """Makes images from Debian packages and loads them into the engine.

    Args:
        recipes: What to make.
        apt: Where the packages come from.
        with_base: Load the base image under its own name too.

    Raises:
        LabError: A package cannot be had, or the engine refused an image.
    """
    logger.info("making %s from Debian packages", ", ".join(recipe.tag for recipe in recipes))
    suite = apt.update()
    bottom = base(apt.mirror)
    below = suite.resolve((*suite.read_required(), *bottom.packages), without=bottom.without)
    closures = [_above(suite, below, recipe) for recipe in recipes]
    apt.download({package.name: package for packages in (below, *closures) for package in packages}.values())
    with (
        tempfile.TemporaryDirectory(dir=apt.directory) as folder,
        ProcessPoolExecutor(os.cpu_count()) as pool,
    ):
        base_layer = write_layer(Path(folder, "base.tar"), _files(apt, below), bottom.entries)
        waiting = [
            pool.submit(_make, _Job(recipe, _files(apt, packages), base_layer))
            for recipe, packages in zip(recipes, closures, strict=True)
        ]
        if with_base:
            _load(bottom, (base_layer,))
        for future in waiting:
            future.result()


@dataclass(frozen=True)
class _Job:
    recipe: Recipe
    debs: tuple[Path, ...]
    below: StoredLayer


def _above(suite: Suite, below: Sequence[Package], recipe: Recipe) -> list[Package]:
    names = [package.name for package in below]
    everything = suite.resolve((*names, *recipe.packages), without=recipe.without)
    return [package for package in everything if package.name not in names]


def _files(apt: Apt, packages: Sequence[Package]) -> tuple[Path, ...]:
    return tuple(apt.archives / package.file_name for package in packages)


def _make(job: _Job) -> None:
    path = job.below.path.with_name(f"{recipe_digest(job.recipe)}.tar")
    layer = write_layer(path, job.debs, job.recipe.entries, job.below)
    _load(job.recipe, (job.below, layer))
    path.unlink()
    if job.recipe.finish:
        _finish(job.recipe)


def _load(recipe: Recipe, layers: Sequence[StoredLayer]) -> None:
    config: Mapping[str, Any] = {**recipe.config, "Labels": {RECIPE_LABEL: recipe_digest(recipe)}}
    argv = ("docker", "load", "--quiet")
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        write_archive(process.stdin, recipe.tag, config, layers)
        _, errors = process.communicate(timeout=LOAD_SECONDS)
    if process.returncode != 0:
        raise CommandFailedError(argv, process.returncode, errors.decode())


def _finish(recipe: Recipe) -> None:
    name = f"sluice-lab-finish-{recipe_digest(recipe)}"
    run(("docker", "rm", "--force", name), check=False)
    command = ("docker", "run", "--name", name, "--network", "none", recipe.tag, *recipe.finish)
    run(command, timeout_seconds=LOAD_SECONDS)
    # The container's command was the finishing one.
    change = f"CMD {json.dumps(recipe.config['Cmd'])}"
    run(("docker", "commit", "--change", change, name, recipe.tag))
    run(("docker", "rm", name))
