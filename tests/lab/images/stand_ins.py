"""Makes images from recipes and gives them to the engine."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.images.archive import write_archive
from tests.lab.images.debs import Package, PackageCache, Suite, read_mirror
from tests.lab.images.layers import StoredLayer, write_layer
from tests.lab.images.recipes import Recipe, base
from tests.lab.shell import CommandFailedError, run

RECIPE_LABEL = "sluice.lab.recipe"
LOAD_SECONDS = 300


def recipe_digest(recipe: Recipe) -> str:
    """What an image is labelled with, so that a changed recipe is noticed."""
    return hashlib.sha256(repr((base(mirror=""), recipe)).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class _Job:
    recipe: Recipe
    debs: tuple[Path, ...]


def make_images(recipes: Sequence[Recipe], directory: Path) -> None:
    """Makes images from Debian packages and loads them into the engine.

    Args:
        recipes: What to make; the base image is made as well.
        directory: Where downloaded packages are kept.

    Raises:
        LabError: No Debian mirror is known, or the engine refused an image.
    """
    cache = PackageCache(directory)
    mirror = read_mirror()
    suite = cache.update(mirror)
    bottom = base(mirror)
    below = suite.resolve((*suite.read_required(), *bottom.packages), without=bottom.without)
    closures = [_above(suite, below, recipe) for recipe in recipes]
    cache.download({package.name: package for packages in (below, *closures) for package in packages}.values())
    with tempfile.TemporaryDirectory(dir=directory) as folder, ProcessPoolExecutor(2) as pool:
        jobs = [_Job(recipe, _files(cache, packages)) for recipe, packages in zip(recipes, closures, strict=True)]
        base_layer = _make(_Job(bottom, _files(cache, below)), Path(folder), ())
        for future in [pool.submit(_make, job, Path(folder), (base_layer,)) for job in jobs]:
            future.result()


def _above(suite: Suite, below: Sequence[Package], recipe: Recipe) -> list[Package]:
    names = {package.name for package in below}
    everything = suite.resolve((*names, *recipe.packages), without=recipe.without)
    return [package for package in everything if package.name not in names]


def _files(cache: PackageCache, packages: Sequence[Package]) -> tuple[Path, ...]:
    return tuple(cache.archives / package.file_name for package in packages)


def _make(job: _Job, folder: Path, below: tuple[StoredLayer, ...]) -> StoredLayer:
    path = folder / f"{recipe_digest(job.recipe)}.tar"
    layer = write_layer(path, job.debs, job.recipe.entries, below[0] if below else None)
    config = {**job.recipe.config, "Labels": {RECIPE_LABEL: recipe_digest(job.recipe)}}
    _load(job.recipe.tag, config, (*below, layer))
    if job.recipe.finish:
        _finish(job.recipe)
    if below:
        path.unlink()
    return layer


def _load(tag: str, config: dict[str, Any], layers: Sequence[StoredLayer]) -> None:
    argv = ("docker", "load", "--quiet")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        write_archive(process.stdin, tag, config, layers)
        _, errors = process.communicate(timeout=LOAD_SECONDS)
    if process.returncode != 0:
        raise CommandFailedError(argv, process.returncode, errors.decode())


def _finish(recipe: Recipe) -> None:
    command = recipe.config["Cmd"]
    name = f"sluice-lab-finish-{recipe_digest(recipe)}"
    run(("docker", "rm", "--force", name), check=False)
    run(("docker", "run", "--name", name, "--network", "none", recipe.tag, *recipe.finish), timeout_seconds=LOAD_SECONDS)
    change = "CMD [" + ", ".join(f'"{word}"' for word in command) + "]"
    run(("docker", "commit", "--change", change, name, recipe.tag))
    run(("docker", "rm", name))
