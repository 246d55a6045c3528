"""The images that are not built here: which digest their tags have now."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tasks.adapters.registry import HttpRegistry
from tasks.host.references import parse_reference
from tasks.kernel.errors import SluiceError
from tasks.steps.step import fact, log

if TYPE_CHECKING:
    from tasks.kernel.protocols import Registry
    from tasks.steps.run import Run


@fact("pin images")
def pin_images(run: Run, *, references: tuple[str, ...]) -> dict[str, str]:
    """Ask the registries which digests the tags of images have that are not built here.

    Running it twice is safe: it only reads. A tag whose registry does not tell its digest stays as it is, and the
    log says so: hosts may have such an image without any registry.

    Returns:
        Reference → the same with its digest, for those that could be asked.
    """
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(lambda one: _pinned(run, one), references))
    # Told here: the pool's threads do not know whose log it is.
    for reference, (pin, why) in zip(references, answers, strict=True):
        if not pin:
            log().warning("%s keeps its tag%s", reference, why)
    return {reference: pin for reference, (pin, _) in zip(references, answers, strict=True) if pin}


def _pinned(run: Run, reference: str) -> tuple[str, str]:
    """Return a reference with its digest, or nothing and the reason why not."""
    wanted = parse_reference(reference)
    if wanted.digest:
        return reference, ""
    ours = run.registry_prefix.partition("/")[0]
    registry: Registry = run.registry if wanted.registry == ours else HttpRegistry(wanted.registry)
    try:
        digest = registry.digest(wanted.path, wanted.tag)
    except SluiceError as error:
        return "", f", its digest is not known: {error.what}"
    if digest is None:
        return "", f": {wanted.registry} does not know it"
    return f"{reference}@{digest}", ""
