"""The release's images on a host, before anything that runs there is touched."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tasks.host.compose import complaint, images_of, parse_config
from tasks.host.files import missing_images, pull_missing
from tasks.host.scripts import login
from tasks.kernel.errors import SluiceError, TerminalError, TransientError
from tasks.kernel.logs import log
from tasks.targets.compose.memory import read_memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from blocks.values.manifests import Manifest
    from tasks.host.app_host import AppHost
    from tasks.host.compose import ComposeProject
    from tasks.kernel.protocols import Result

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


def pull_images(app: AppHost, manifest: Manifest, *, registry_login: str, only_written: bool) -> None:
    """Pull every image that will be started and is not on the host yet.

    The host is asked first what it has, and no registry is asked for that. The registry's login is known to the host
    for this one command only.

    Args:
        only_written: True to leave out images of whose names the host's env file decides a part: a commit nobody
            approved could send any of its values to any registry so.

    Raises:
        TransientError: The registry could not be reached.
        TerminalError: An image cannot be pulled; the registry's word is in the message.
    """
    project = app.project(manifest, current=False)
    images = _images(app, project, manifest)
    if only_written:
        images = _written(images, manifest, app.name)
    result = app.change(
        login(pull_missing(images, (*project.pull(), "--"))),
        seconds=app.policy.timeouts.pull,
        stdin=registry_login.encode(),
        on_line=_tell,
    )
    if result.ok:
        return
    _check_readable(app, project)
    said = result.tail(1)
    missing = ", ".join(_missing(app, images.values())) or "an image"
    kind = TransientError if _PASSING.search(said) else TerminalError
    raise kind(
        f"pull: {app.name} cannot pull {missing}: {said}",
        "nothing was started; check the image's name, the registry and its login, then retry this run"
        f"{_without_registry(app)}",
        result.tail(30),
    )


def _images(app: AppHost, project: ComposeProject, manifest: Manifest) -> dict[str, str]:
    """Return the image of each service; the host's compose is asked where its env file may decide one."""
    if {*manifest.services} <= {*manifest.images}:
        return {service: manifest.images[service] for service in manifest.services}
    result = app.ask(project.config_json())
    if not result.ok:
        raise _unreadable(app, project, result)
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


def _check_readable(app: AppHost, project: ComposeProject) -> None:
    """Raise where a pull failed because compose does not read the bundle: its words may hold values then."""
    result = app.ask(project.argv("config", "--quiet"))
    if not result.ok:
        raise _unreadable(app, project, result)


def _unreadable(app: AppHost, project: ComposeProject, result: Result) -> TerminalError:
    return TerminalError(
        f"pull: compose on {app.name} refuses the configuration: {complaint(result.stderr)}",
        "nothing was started; correct the compose files or the env file there; "
        f"to see compose's own message there: `{project.shown('config', '--quiet')}`",
    )


def _missing(app: AppHost, images: Iterable[str]) -> tuple[str, ...]:
    """Name the images that are not on a host: compose blames every pull it cut short, whatever its image."""
    lacking = app.ask(missing_images(images))
    return tuple(dict.fromkeys(lacking.stdout.split()))


def _without_registry(app: AppHost) -> str:
    """Say which other releases start from what lies on a host, for the end of an advice."""
    try:
        memory = read_memory(app)
        kept = sorted(memory.manifests.values(), key=lambda one: one.staged_at, reverse=True)
        others = [one for one in kept if one.images and one.release.id != memory.current]
        lacking = {*_missing(app, (image for one in others for image in one.images.values()))}
    except SluiceError:
        return ""
    whole = [one.release.id for one in others if lacking.isdisjoint(one.images.values())]
    if not whole:
        return (
            f"; no other release has all its images on {app.name}, "
            "so `sluice rollback --offline` does not help either"
        )
    return (
        f"; without the registry {', '.join(whole[:_MOST_NAMED])} can start on {app.name}: "
        f"`sluice rollback {app.policy.name} --offline --release {whole[0]}`"
    )
