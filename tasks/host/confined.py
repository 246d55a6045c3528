"""PURE: the container in which a commit's image is asked something before anybody approved.

It is written from a list of what may be there, not from what the commit asks for: an image, the example values of its
commit, and its own files, read-only. No network, volume, privilege, env file or secret of a host is on that list.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.host.paths import within
from tasks.host.scripts import script, text_of
from tasks.host.shape import plain_path as plain
from tasks.kernel.argv import Argv, name

LABEL = "sluice.plan"
# What is kept of the output: thousands of migrations; and the time that any image needs to import an application.
MOST_BYTES = 8 * 1024 * 1024
MOST_SECONDS = 300
TOO_MUCH = f"more than {MOST_BYTES // 1024**2} MiB were printed, which is too much"
STAND_IN = "stand-in"

_SIZE = "size=256m"
_TMPFS = f"rw,exec,nosuid,nodev,mode=1777,{_SIZE}"
_USER = re.compile(r"[A-Za-z0-9_][\w.-]*(:[A-Za-z0-9_][\w.-]*)?\Z")
# The Docker client adds these by itself where its configuration names a proxy, with the proxy's password.
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
# A proxy on the host that looks at all containers (nginx-proxy and its companion) would lead requests to this one.
_ROUTES = ("VIRTUAL_HOST", "VIRTUAL_HOST_MULTIPORTS", "LETSENCRYPT_HOST")
# `uv run` writes into its cache and brings the environment up to date first, and there is no place and no network.
_TOOLS = {"UV_CACHE_DIR": "/tmp/uv", "UV_NO_SYNC": "1"}  # noqa: S108 - a folder in a container
_OPTIONS = (
    "--rm",
    "--pull=never",
    "--network=none",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--read-only",
    "--pids-limit=256",
    "--memory=1g",
    "--memory-swap=1g",
    # What runs goes first, where processor or memory are short.
    "--cpu-shares=512",
    "--oom-score-adj=500",
    "--restart=no",
    "--no-healthcheck",
    # The output is read as it comes; a log of it would fill the disk.
    "--log-driver=none",
    f"--label={LABEL}",
)

CONFINED = text_of("confined").replace("TMPFS", _TMPFS)


@dataclass(frozen=True)
class ConfinedService:
    """What is kept of a service when its image is asked.

    Attributes:
        entrypoint: Its own entrypoint; None for the image's.
        mounts: Path within the bundle → where it is in the container, read-only.
        stand_ins: What secrets and configurations hold in place of their content, by where they are in the container.
        bundle: The bundle's folder on the host; empty where there is none, so that nothing is mounted.
        folder: The folder on the host in which stand-ins get one of their own; empty where there is none.
    """

    image: str
    environment: Mapping[str, str] = field(default_factory=dict)
    entrypoint: Argv | None = None
    working_dir: str = ""
    user: str = ""
    scratch: tuple[str, ...] = ("/tmp",)  # noqa: S108 - a folder in a container
    mounts: tuple[tuple[str, str], ...] = ()
    stand_ins: tuple[tuple[str, str], ...] = ()
    bundle: str = ""
    folder: str = ""

    @property
    def files(self) -> dict[str, bytes]:
        """What the command that asks must be given as a tar archive: name → content; none where it needs nothing."""
        pairs = self.stand_ins if self.folder else ()
        return {str(number): content.encode() for number, (_, content) in enumerate(pairs)}

    def ask(self, words: Argv, *, container: str, seconds: float, starts: bool = False) -> Argv:
        """Return the command that asks the image.

        Args:
            container: The container's name, by which a killed one is found again.
            starts: True to start it as the application starts, by its entrypoint; otherwise the command stands
                alone: entrypoints like to wait for a database, and there is none.
        """
        return script(
            CONFINED,
            "sluice-confined",
            name(container, "container"),
            # None at all would be no bound.
            str(max(1, round(seconds))),
            # One more, by which it is seen that something was cut.
            str(MOST_BYTES + 1),
            f"{self.folder}/{container}" if self.files else "",
            self.image,
            *("docker", "run", *_OPTIONS, f"--name={container}"),
            *self._options(container),
            *self._command(words, starts=starts),
        )

    def _options(self, container: str) -> Iterator[str]:
        yield from (f"--tmpfs={target}:{_TMPFS}" for target in self.scratch)
        if self.bundle:
            for path, target in self.mounts:
                yield _mount(self.bundle if path == "." else f"{self.bundle}/{path}", target)
        for path, (target, _) in zip(self.files, self.stand_ins, strict=False):
            yield _mount(f"{self.folder}/{container}/{path}", target)
        if self.working_dir:
            yield f"--workdir={self.working_dir}"
        if self.user:
            yield f"--user={self.user}"
        proxies = {key: "" for upper in _PROXIES for key in (upper, upper.lower())}
        environment = {**proxies, **self.environment, **dict.fromkeys(_ROUTES, ""), **_TOOLS}
        yield from (f"--env={key}={value}" for key, value in environment.items())

    def _command(self, words: Argv, *, starts: bool) -> Iterator[str]:
        own = self.entrypoint if starts else words
        rest = words if starts else ()
        if own is not None:
            yield f"--entrypoint={own[0] if own else ''}"
            rest = (*own[1:], *rest)
        yield from ("--", self.image, *rest)


def confine(
    config: Mapping[str, Any],
    service: str,
    *,
    image: str,
    project_dir: str,
    examples: Mapping[str, str],
    in_bundle: Callable[[str], bool],
) -> ConfinedService:
    """Take from a service what a container that is only asked may have.

    Args:
        config: What compose read on the control machine, with example values in place of all others.
        in_bundle: Says of a path within that folder whether it is the commit's own file or folder on a host: neither
            a link nor a host's data or env file.
    """
    found = (config.get("services") or {}).get(service) or {}
    mounts = dict(_mounts(found, project_dir, in_bundle))
    stand_ins: dict[str, str] = {}
    for target, path, content in _secrets_and_configs(config, found, project_dir, examples):
        if path is not None and in_bundle(path):
            mounts[target] = path
        else:
            stand_ins[target] = content
    taken = {**mounts, **stand_ins}
    entrypoint = found.get("entrypoint")
    return ConfinedService(
        image=image,
        environment={
            key: plain(value)
            for key, value in (found.get("environment") or {}).items()
            if value is not None and key and "=" not in key and "\0" not in f"{key}{value}"
        },
        entrypoint=None if entrypoint is None else tuple(map(plain, entrypoint)),
        working_dir=_absolute(found.get("working_dir")),
        user=_user(found.get("user")),
        scratch=tuple(sorted({"/tmp", *filter(None, _scratch(found))} - taken.keys())),  # noqa: S108 - in a container
        mounts=tuple(sorted((path, target) for target, path in mounts.items())),
        stand_ins=tuple(sorted(stand_ins.items())),
    )


def _mounts(
    service: Mapping[str, Any], project_dir: str, in_bundle: Callable[[str], bool]
) -> Iterator[tuple[str, str]]:
    for mount in service.get("volumes") or []:
        target = _absolute(mount.get("target"))
        path = _within(mount.get("source"), project_dir) if mount.get("type") == "bind" else None
        if target and path is not None and in_bundle(path):
            yield target, path


def _scratch(service: Mapping[str, Any]) -> Iterator[str]:
    """Yield the folders that hold data or nothing: they are empty here, also where a volume has something."""
    for mount in service.get("volumes") or []:
        if mount.get("type") in {"volume", "tmpfs"}:
            yield _absolute(mount.get("target"))
    for entry in service.get("tmpfs") or []:
        yield _absolute(entry.partition(":")[0])


def _secrets_and_configs(
    config: Mapping[str, Any], service: Mapping[str, Any], project_dir: str, examples: Mapping[str, str]
) -> Iterator[tuple[str, str | None, str]]:
    """Yield of each secret and configuration: where it is in the container, its file in the commit, its stand-in."""
    for section, root in (("secrets", "/run/secrets/"), ("configs", "/")):
        for use in service.get(section) or []:
            source = str(use.get("source", ""))
            what = (config.get(section) or {}).get(source) or {}
            target = _absolute(posixpath.join(root, str(use.get("target") or source)))
            variable = str(what.get("environment") or source.upper().replace("-", "_"))
            content = what.get("content")
            value = examples.get(variable, STAND_IN) if content is None else plain(content)
            if target:
                yield target, _within(what.get("file"), project_dir), value


def _within(source: object, project_dir: str) -> str | None:
    return within(plain(source), project_dir) if source else None


def _absolute(path: object) -> str:
    """Return a path in the container as it can stand in an option; empty where it cannot."""
    text = posixpath.normpath(plain(path)) if path else ""
    return text if text.startswith("/") and text.strip("/") and not set(text) & set(":,\n\r\0") else ""


def _user(user: object) -> str:
    text = plain(user) if user else ""
    return text if _USER.match(text) else ""


def _mount(source: str, target: str) -> str:
    """Return a read-only mount; the option is a line of comma-separated fields."""
    fields = ("type=bind", f"source={source}", f"target={target}", "readonly")
    return "--mount=" + ",".join('"' + one.replace('"', '""') + '"' for one in fields)
