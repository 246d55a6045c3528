"""The images that are not built here: which digest their tags have now."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tasks.adapters.registry import HttpRegistry
from tasks.commands.references import parse_reference
from tasks.errors import SluiceError
from tasks.step import fact, log

if TYPE_CHECKING:
    from tasks.adapters.protocols import Registry
    from tasks.run import Run


@fact("pin images")
def pin_images(run: Run, *, references: tuple[str, ...]) -> dict[str, str]:
    """Ask the registries which digests the tags of images have that are not built here.

    Running it twice is safe: it only reads. A tag whose registry does not tell its digest stays as it is, and the
    log says so: hosts may have such an image without any registry.

    Args:
        run: The promotion.
        references: The images as the compose files name them.

    Returns:
        Reference → the same with its digest, for those that could be asked.
    """
    with ThreadPoolExecutor(max_workers=8) as pool:
        pins = dict(zip(references, pool.map(lambda one: _pinned(run, one), references), strict=True))
    return {reference: pin for reference, pin in pins.items() if pin}


def _pinned(run: Run, reference: str) -> str:
    """Return a reference with its digest; empty where that cannot be told."""
    wanted = parse_reference(reference)
    if wanted.digest:
        return reference
    ours = run.registry_prefix.partition("/")[0]
    registry: Registry = run.registry if wanted.registry == ours else HttpRegistry(wanted.registry)
    try:
        digest = registry.digest(wanted.path, wanted.tag)
    except SluiceError as error:
        log().warning("%s keeps its tag, its digest is not known: %s", reference, error.what)
        return ""
    if digest is None:
        log().warning("%s keeps its tag: %s does not know it", reference, wanted.registry)
        return ""
    return f"{reference}@{digest}"
