"""What a release's bundle holds, and the override that pins it, from what compose has read."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from blocks.values.base import Value
from flows.domain.compose.text import NamedFiles, named_files
from flows.domain.words.text import one_line
from tasks.host.paths import leads_out, within
from tasks.kernel.errors import RefusedError, TerminalError

FILES_LABEL = "sluice.files"
_HASH_LENGTH = 16
# Files that only make git keep an otherwise empty folder: such a folder is for data.
_KEEPERS = frozenset({".gitkeep", ".gitignore", ".keep"})

Config = Mapping[str, Any]


class BundleSpec(Value):
    """The files of a commit that compose needs on a host; all paths relative to the project directory.

    Attributes:
        files: Tracked files that compose names, or that lie in a folder it names.
        untracked: Paths compose names that are not in git: data folders, env files.
        env_files: Every env file of a service, tracked or not.
        outside: Paths that are not known to be in the project directory: the host's own files.
    """

    files: tuple[str, ...]
    untracked: tuple[str, ...]
    env_files: tuple[str, ...]
    outside: tuple[str, ...]


def bundle_paths(
    config: Config,
    project_dir: str,
    tracked: Collection[str],
    compose_files: Sequence[str],
    read: Callable[[str], str | None],
    links: Mapping[str, str] | None = None,
) -> BundleSpec:
    """Find the files of a commit that compose needs on a host.

    Bind mounts, configs and secrets are taken from compose's own reading; env files, included and extended
    files, which compose has dissolved by then, from the texts.

    Args:
        links: The commit's symbolic links, and what each leads to. What a path leads to by them comes along.
    """
    _refuse_volumes_within(config, project_dir)
    named = named_files(compose_files, read)
    known = frozenset(tracked)
    inside, outside = _referenced(config, project_dir, named)
    expanded = {path: _expanded(path, known, links or {}) for path in inside}
    files = {file for under in expanded.values() for file in under}
    return BundleSpec(
        files=tuple(sorted(files)),
        untracked=tuple(sorted(path for path, under in expanded.items() if not under)),
        env_files=named.env_files,
        outside=tuple(sorted({*outside, *named.outside})),
    )


def _referenced(config: Config, project_dir: str, named: NamedFiles) -> tuple[set[str], set[str]]:
    inside = {*named.compose, *named.env_files}
    outside: set[str] = set()
    for source in _sources(config):
        path = within(source, project_dir)
        (outside if path is None else inside).add(source if path is None else path)
    return inside, outside


def _refuse_volumes_within(config: Config, project_dir: str) -> None:
    """Refuse volumes that bind a folder of the project: the engine keeps each release's path, and nobody sees where."""
    for name, volume in (config.get("volumes") or {}).items():
        options = (volume or {}).get("driver_opts") or {}
        path = within(str(options.get("device") or "/"), project_dir)
        if "bind" in str(options.get("o")).split(",") and path is not None:
            raise RefusedError(
                f"volume {one_line(name)} binds {one_line(path)} of the project, another folder with each release",
                f"mount it where it is used, `./{one_line(path)}:/path`, or bind a folder of the host (docs/data.md)",
            )


def _sources(config: Config) -> Iterator[str]:
    for name in _services(config):
        yield from _service_sources(config, name)
    for section in ("configs", "secrets"):
        for name in config.get(section) or {}:
            yield from _file_of(config, section, name)


def _service_sources(config: Config, name: str) -> Iterator[str]:
    service = _services(config)[name]
    for mount in service.get("volumes") or []:
        if mount.get("type") == "bind" and mount.get("source"):
            yield str(mount["source"])
    for section in ("configs", "secrets"):
        for use in service.get(section) or []:
            yield from _file_of(config, section, str(use.get("source", "")))


def _file_of(config: Config, section: str, name: str) -> Iterator[str]:
    file = ((config.get(section) or {}).get(name) or {}).get("file")
    if file:
        yield str(file)


def _expanded(path: str, tracked: frozenset[str], links: Mapping[str, str]) -> tuple[str, ...]:
    """Return the tracked files a path stands for, with the links that lead there; none for a folder of data."""
    via, place = _followed(path, links)
    if not via:
        return _tracked_under(path, tracked)
    return (*via, *(_tracked_under(place, tracked) if place is not None else ()))


def _followed(path: str, links: Mapping[str, str]) -> tuple[tuple[str, ...], str | None]:
    """Return the links on the way to a path, and where they lead to; None for a place outside of the commit."""
    via: list[str] = []
    while link := next((place for place in _upwards(path) if place in links), None):
        if link in via:
            return tuple(via), None
        via.append(link)
        target = posixpath.join(posixpath.dirname(link), links[link], path[len(link) + 1 :])
        path = posixpath.normpath(target)
        if leads_out(path):
            return tuple(via), None
    return tuple(via), path


def _upwards(path: str) -> Iterator[str]:
    while path:
        yield path
        path = posixpath.dirname(path)


def _tracked_under(path: str, tracked: frozenset[str]) -> tuple[str, ...]:
    # What lies in a tracked path lies in a submodule.
    if (above := next((place for place in _upwards(path) if place in tracked), None)) is not None:
        return (above,)
    under = [file for file in tracked if path == "." or file.startswith(f"{path}/")]
    only_kept = all(posixpath.basename(file) in _KEEPERS for file in under)
    return () if only_kept else tuple(under)


def files_labels(
    config: Config, project_dir: str, hashes: Mapping[str, str], links: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Fingerprint the bundle files each service mounts, so that exactly changed ones are started anew.

    Compose compares a service's settings, not the content of the files it mounts.

    Args:
        hashes: Path relative to that directory → sha256 of the content, for the bundle's files.

    Returns:
        Service → fingerprint, for the services that mount bundle files.
    """
    labels: dict[str, str] = {}
    known = frozenset(hashes)
    for name in _services(config):
        paths = {within(source, project_dir) for source in _service_sources(config, name)}
        files = {file for path in paths if path for file in _expanded(path, known, links or {})}
        if files:
            text = "".join(f"{hashes[file]}  {json.dumps(file)}\n" for file in sorted(files))
            labels[name] = hashlib.sha256(text.encode()).hexdigest()[:_HASH_LENGTH]
    return labels


def written_paths(
    config: Config, project_dir: str, links: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Return the paths relative to the project directory that containers may write to, sorted.

    Args:
        links: The commit's symbolic links, and what each leads to. Those places are written to as well.
    """
    mounts = (mount for name in _services(config) for mount in _services(config)[name].get("volumes") or [])
    sources = (str(one["source"]) for one in mounts if _writable(one))
    paths = {path for source in sources if (path := within(source, project_dir)) is not None}
    places = {place for path in paths if (place := _followed(path, links or {})[1]) is not None}
    return tuple(sorted(paths | places))


def _writable(mount: Config) -> bool:
    return mount.get("type") == "bind" and bool(mount.get("source")) and not mount.get("read_only")


def service_targets(config: Config, built: Mapping[str, str]) -> dict[str, str]:
    """Say which build target each service runs, also where it only names another service's image.

    Returns:
        Service → target for every service that runs one of our images.
    """
    services = _services(config)
    by_image = {services[name]["image"]: built[name] for name in built if services.get(name, {}).get("image")}
    sharing = {
        name: by_image[service["image"]]
        for name, service in services.items()
        if not service.get("build") and service.get("image") in by_image
    }
    return {**sharing, **{name: target for name, target in built.items() if name in services}}


def third_party_images(config: Config, ours: Collection[str]) -> dict[str, str]:
    """Return the images that are not built here.

    Returns:
        Service → image reference.
    """
    return {
        name: str(service["image"])
        for name, service in _services(config).items()
        if name not in ours and service.get("image")
    }


def pinned_images(config: Config, third_party: Mapping[str, str], fixed: Collection[str]) -> dict[str, str]:
    """Return the services that run an image which is not built here, and whose digest the release knows.

    Args:
        fixed: The services whose image is written without a variable. Of any other the host's env file decides.
    """
    images = {name: service.get("image") for name, service in _services(config).items()}
    pins = {name: (pin, pin.partition("@")[0]) for name, pin in third_party.items() if "@" in pin}
    return {
        name: pin
        for name, (pin, written) in pins.items()
        if name in fixed and images.get(name) in {pin, written}
    }


def override(config: Config, images: Mapping[str, str], files: Mapping[str, str]) -> str:
    """Write the override that pins a release's digests.

    Nothing in it names the release: compose would start every service anew with each one, also those whose
    image and files stay as they are.

    Args:
        images: Service → reference by digest.
        files: Service → fingerprint of its mounted bundle files.

    Returns:
        The text of `sluice.override.yaml`; scalars are written as JSON, which is YAML.
    """
    services = _services(config)
    lines: list[str] = []
    for name in sorted(services):
        if services[name].get("build") and name not in images:
            raise TerminalError(
                f"service {one_line(name)} is built, and the release has no image for it",
                "build the release again",
            )
        lines += _service_lines(name, services[name], images.get(name), files.get(name))
    return "\n".join(["services:", *lines] if lines else ["services: {}"]) + "\n"


def _service_lines(name: str, service: Config, image: str | None, files: str | None) -> list[str]:
    # `build` would build on the host, `never` would not fetch the digest, `always` asks for what is there.
    policy = service.get("pull_policy")
    missing = bool(policy) and (bool(image) or policy != "never")
    if not (image or files or missing):
        return []
    lines = [f"  {_scalar(name)}:"]
    if image:
        lines += [f"    image: {_scalar(image)}", "    build: !reset null"]
    if missing:
        lines += ["    pull_policy: missing"]
    return [*lines, "    labels:", f"      {FILES_LABEL}: {_scalar(files)}"] if files else lines


def _scalar(text: str) -> str:
    # Compose would read a `$` as the start of a variable.
    return json.dumps(text.replace("$", "$$"))


def _services(config: Config) -> Mapping[str, Any]:
    return config.get("services") or {}
