"""The release's images on a host, before anything that runs there is touched."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from blocks.values.receipts import StepReceipt
from tasks.host.compose import complaint, images_of, parse_config
from tasks.host.files import missing_images, pull_missing
from tasks.host.read import QUICK
from tasks.host.scripts import login
from tasks.kernel.errors import SluiceError, TerminalError, TransientError
from tasks.kernel.protocols import Call
from tasks.services.memory import read_memory
from tasks.steps.step import log, step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from blocks.values.manifests import Manifest
    from tasks.host.compose import ComposeProject
    from tasks.kernel.protocols import Result
    from tasks.steps.run import Run

_PASSING = re.compile(
    r"timeout|deadline exceeded|connection refused|connection reset|no route to host|network is unreachable"
    r"|temporary failure|tls handshake|\beof\b"
    r"|50[0234] (internal|bad|service|gateway)|too many requests",
    re.IGNORECASE,
)


_MOST_NAMED = 3

# Compose reports every tick of every layer; a person wants what is done.
_TICKS = (
    "Extracting [",
    "Downloading [",
    "Waiting",
    "Verifying Checksum",
    "Pulling fs layer",
    "Download complete",
)


def _tell(line: str) -> None:
    if not any(tick in line for tick in _TICKS):
        log().info("%s", line.strip())


@step("pull", StepReceipt)
def pull(
    run: Run, *, host: str, project: ComposeProject, manifest: Manifest, known: StepReceipt | None = None
) -> StepReceipt:
    """Pull every image that will be started and is not on the host yet.

    Running it twice is safe: the host is asked first what it has, and no registry is asked for that. The registry's
    login is known to the host for this one command only.

    Args:
        project: The compose project on the new release's bundle.
        manifest: What the host remembers of the release.
        known: What was found out a moment ago under this very lease; it is not found out again. None for nothing.

    Returns:
        A line that says so.

    Raises:
        TransientError: The registry could not be reached.
        TerminalError: An image cannot be pulled; the registry's word is in the message. Nothing was started.
    """
    return known or pull_images(run, host=host, project=project, manifest=manifest)


def pull_images(
    run: Run, *, host: str, project: ComposeProject, manifest: Manifest, only_written: bool = False
) -> StepReceipt:
    """Pull under the lease that is held; `pull` is the same as a step of the journal.

    Args:
        project: The compose project on the new release's bundle.
        manifest: What the host remembers of the release.
        only_written: True to leave out images of whose names the host's env file decides a part: a commit nobody
            approved could send any of its values to any registry so.

    Returns:
        A line that says so.

    Raises:
        TransientError: The registry could not be reached.
        TerminalError: An image cannot be pulled.
    """
    images = _images(run, host, project, manifest)
    if only_written:
        images = _written(images, manifest, host)
    seconds = run.policy.timeouts.pull
    call = run.change(
        host,
        login(pull_missing(images, (*project.pull(), "--"))),
        seconds=seconds,
        idle=seconds,
        stdin=run.registry_login.encode(),
    )
    result = run.hosts[host].run(call, on_line=_tell)
    if result.ok:
        return StepReceipt(text=f"{host}: all images are there")
    _check_readable(run, host, project)
    said = result.tail(1)
    missing = ", ".join(_missing(run, host, images.values())) or "an image"
    kind = TransientError if _PASSING.search(said) else TerminalError
    raise kind(
        f"pull: {host} cannot pull {missing}: {said}",
        "nothing was started; check the image's name, the registry and its login, then retry this run"
        f"{_without_registry(run, host)}",
        result.tail(30),
    )


def _images(run: Run, host: str, project: ComposeProject, manifest: Manifest) -> dict[str, str]:
    """Return the image of each service; the host's compose is asked where its env file may decide one."""
    if {*manifest.services} <= {*manifest.images}:
        return {service: manifest.images[service] for service in manifest.services}
    result = run.hosts[host].run(Call(argv=project.config_json(), limits=QUICK))
    if not result.ok:
        raise _unreadable(host, project, result)
    return images_of(parse_config(result.stdout))


def _written(images: Mapping[str, str], manifest: Manifest, host: str) -> dict[str, str]:
    """Return the images whose names are known without the host's env file."""
    examples = manifest.release.third_party
    known = {
        service: image
        for service, image in images.items()
        if service in manifest.images or image == examples.get(service)
    }
    for service in sorted(images.keys() - known.keys()):
        log().info("%s: the env file there names the image of %s; it is pulled after approval", host, service)
    return known


def _check_readable(run: Run, host: str, project: ComposeProject) -> None:
    """Raise where a pull failed because compose does not read the bundle: its words may hold values then."""
    result = run.hosts[host].run(Call(argv=project.argv("config", "--quiet"), limits=QUICK))
    if not result.ok:
        raise _unreadable(host, project, result)


def _unreadable(host: str, project: ComposeProject, result: Result) -> TerminalError:
    return TerminalError(
        f"pull: compose on {host} refuses the configuration: {complaint(result.stderr)}",
        "nothing was started; correct the compose files or the env file there; "
        f"to see compose's own message there: `{project.shown('config', '--quiet')}`",
    )


def _missing(run: Run, host: str, images: Iterable[str]) -> tuple[str, ...]:
    """Name the images that are not on a host: compose blames every pull it cut short, whatever its image."""
    lacking = run.hosts[host].run(Call(argv=missing_images(images), limits=QUICK))
    return tuple(dict.fromkeys(lacking.stdout.split()))


def _without_registry(run: Run, host: str) -> str:
    """Say which other releases start from what lies on a host, for the end of an advice."""
    try:
        memory = read_memory(run, host)
        kept = sorted(memory.manifests.values(), key=lambda one: one.staged_at, reverse=True)
        others = [one for one in kept if one.images and one.release.id != memory.current]
        lacking = {*_missing(run, host, (image for one in others for image in one.images.values()))}
    except SluiceError:
        return ""
    whole = [one.release.id for one in others if lacking.isdisjoint(one.images.values())]
    if not whole:
        return f"; no other release has all its images on {host}, so `sluice rollback --offline` does not help either"
    return (
        f"; without the registry {', '.join(whole[:_MOST_NAMED])} can start on {host}: "
        f"`sluice rollback {run.environment} --offline --release {whole[0]}`"
    )
