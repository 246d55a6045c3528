"""Takes the lab down."""

from __future__ import annotations

import logging
import shutil

from tests.lab.engine import OwnEngine, engine_answers
from tests.lab.settings import LABEL, Settings
from tests.lab.shell import run

logger = logging.getLogger(__name__)


def take_down(settings: Settings, *, purge: bool, with_engine: bool = True) -> None:
    """Stops what the lab started; safe to run again.

    Args:
        settings: The lab's settings.
        purge: Also remove its data: images, volumes, keys, downloads.
        with_engine: Also stop the engine, if it is the labs' own and no other lab uses it.
    """
    if answers := engine_answers():
        _remove_containers(settings)
        if purge:
            _remove_volumes(settings)
    settings.description.unlink(missing_ok=True)
    garbage = [settings.directory]
    if with_engine and not (answers and _list_labs()):
        OwnEngine(settings.engine_directory).stop()
        garbage += [settings.engine_directory, settings.cache]
    if purge:
        logger.info("removing the lab's data")
        for directory in garbage:
            shutil.rmtree(directory, ignore_errors=True)


def _list_labs() -> list[str]:
    return run(
        ("docker", "ps", "--filter", f"label={LABEL}", "--format", f'{{{{.Label "{LABEL}"}}}}')
    ).stdout.split()


def _remove_containers(settings: Settings) -> None:
    logger.info("stopping the servers and the registry")
    listed = run(("docker", "ps", "--all", "--quiet", "--filter", f"label={settings.label}"))
    if listed.stdout:
        run(("docker", "rm", "--force", "--volumes", *listed.stdout.split()))
    run(("docker", "network", "rm", settings.name), check=False)


def _remove_volumes(settings: Settings) -> None:
    listed = run(("docker", "volume", "ls", "--quiet", "--filter", f"name=^{settings.name}-"))
    if listed.stdout:
        run(("docker", "volume", "rm", "--force", *listed.stdout.split()))
