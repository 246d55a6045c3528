"""What a commit may have built: bake's definition, written from what compose has read, or a refusal by name.

A build section may name files, addresses and variables, and the Docker client opens them as the control plane's user.
So each is looked at here, and only what lies in the commit, or names an image or another service, is passed on.
"""

from __future__ import annotations

import csv
import io
import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.images.commands.bake import target_name
from tasks.kernel.errors import RefusedError

_CARRIED_CACHES = frozenset({"registry", "inline"})
# GitHub's cache needs variables that only its own runners have: elsewhere it is no cache, and no fault.
_ABSENT_CACHES = frozenset({"gha"})
_INSIDE = "keep what a build reads in the repository"
_BY_POLICY = "name it under build.secrets in pipeline.yaml on the default branch"


@dataclass(frozen=True)
class Checkouts:
    """A commit's two checkouts, and how links in them are followed.

    Attributes:
        render: The one compose read; its paths begin with it.
        source: The one that is built from.
    """

    render: str
    source: str
    real: Callable[[str], str]

    def place(self, path: str, base: str = "") -> str | None:
        """Return where something lies in the checkout that is built from; None where that is outside of it."""
        root = posixpath.normpath(self.render)
        found = posixpath.normpath(posixpath.join(base or root, path))
        if "\0" in found:
            return None
        if found != root and not found.startswith(f"{root}/"):
            return None
        placed = self.source + found.removeprefix(root)
        home, real = self.real(self.source), self.real(placed)
        return placed if real == home or real.startswith(f"{home}/") else None


def build_definition(
    config: Mapping[str, Any], checkouts: Checkouts, secrets: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Write what is built.

    Args:
        secrets: Build secret id → the environment variable that holds its value; what the policy names.

    Raises:
        RefusedError: A build names something outside the commit; service, key and path are told.
    """
    targets: dict[str, dict[str, Any]] = {}
    names: dict[str, str] = {}
    built = {
        name: service["build"]
        for name, service in _mapping(config.get("services")).items()
        if service.get("build")
    }
    for service, build in built.items():
        other = names.setdefault(target_name(service), service)
        if other != service:
            raise RefusedError(
                f"services {other} and {service} have the same build target {target_name(service)}",
                "rename one of them",
            )
        one = _Build(service, _plain(build), checkouts, frozenset(built))
        target = {**one.target(), "secret": [*one.secrets(_mapping(_plain(config.get("secrets"))), secrets)]}
        targets[target_name(service)] = {key: _escaped(value) for key, value in target.items() if value}
    return {"target": targets}


@dataclass(frozen=True)
class _Build:
    service: str
    build: Mapping[str, Any]
    checkouts: Checkouts
    built: frozenset[str]

    def target(self) -> dict[str, Any]:
        build = self.build
        if build.get("ssh"):
            raise self._refused("ssh", "the control machine's SSH keys", _BY_POLICY)
        context = self._context(str(build.get("context") or ""))
        return {
            "context": context,
            **self._dockerfile(str(build.get("context") or "")),
            "contexts": {
                name: self._named(name, str(told)) for name, told in self._pairs("additional_contexts")
            },
            "args": {name: str(value) for name, value in self._pairs("args") if value is not None},
            "labels": {name: str(value) for name, value in self._pairs("labels")},
            "cache-from": [*self._caches("cache_from")],
            "cache-to": [*self._caches("cache_to")],
            "target": build.get("target"),
            "shm-size": str(build["shm_size"]) if build.get("shm_size") else None,
            "ulimits": [f"{name}={_ulimit(told)}" for name, told in sorted(self._pairs("ulimits"))],
        }

    def secrets(self, declared: Mapping[str, Any], policy: Mapping[str, str]) -> Iterator[str]:
        """Give the policy's secrets, and the commit's own files; nothing of the control machine."""
        for key, variable in sorted(policy.items()):
            yield _csv(f"id={key}", f"env={variable}")
        for entry in self.build.get("secrets") or []:
            key = str(entry["source"] if isinstance(entry, Mapping) else entry)
            if key in policy:
                continue
            told = _mapping(declared.get(key))
            if told.get("environment"):
                raise self._refused(
                    f"secrets.{key}", f"the control machine's variable {told['environment']}", _BY_POLICY
                )
            file = str(told.get("file") or "")
            if not file:
                raise self._refused(f"secrets.{key}", "a secret that is kept elsewhere", _BY_POLICY)
            yield _csv(f"id={key}", f"src={self._inside(f'secrets.{key}', file, advice=_BY_POLICY)}")

    def _context(self, context: str) -> str:
        # Compose has made every path absolute; what is none is an address.
        if not context.startswith("/"):
            raise self._refused("context", f"the address {context}", "build from the commit itself")
        return self._inside("context", context)

    def _dockerfile(self, context: str) -> dict[str, str]:
        if self.build.get("dockerfile_inline"):
            return {"dockerfile-inline": str(self.build["dockerfile_inline"])}
        file = str(self.build.get("dockerfile") or "Dockerfile")
        # Buildx 0.31 and newer read a policy beside it, links followed; the name may be in lower case.
        folder, name = posixpath.split(file)
        for one in (name, name.lower()):
            self._inside("dockerfile", posixpath.join(folder, f"{one}.rego"), context)
        # Absolute, so that nobody takes `https://…` or `-` for anything but a file's name.
        return {"dockerfile": self._inside("dockerfile", file, context)}

    def _named(self, name: str, told: str) -> str:
        key = f"additional_contexts.{name}"
        if told.startswith("docker-image://"):
            return told
        kind, _, service = told.partition(":")
        if kind in {"service", "target"}:
            if service not in self.built:
                raise self._refused(
                    key, f"service {service}, which is not built", "name a service with a build section"
                )
            return f"target:{target_name(service)}"
        if not told.startswith("/"):
            raise self._refused(
                key, f"the address {told}", "use docker-image://, service: or a folder of the commit"
            )
        return self._inside(key, told)

    def _caches(self, key: str) -> Iterator[str]:
        for entry in map(str, self.build.get(key) or []):
            kinds = _cache_kinds(entry)
            if kinds & _ABSENT_CACHES:
                continue
            if not kinds <= _CARRIED_CACHES:
                raise self._refused(key, entry, "name an image, type=registry or type=inline")
            yield entry

    def _inside(self, key: str, path: str, base: str = "", *, advice: str = _INSIDE) -> str:
        place = self.checkouts.place(path, base)
        if place is None:
            raise self._refused(
                key, f"{path.removeprefix(f'{self.checkouts.render}/')}, outside the commit", advice
            )
        return place

    def _pairs(self, key: str) -> list[tuple[str, Any]]:
        return list(_mapping(self.build.get(key)).items())

    def _refused(self, key: str, what: str, advice: str) -> RefusedError:
        return RefusedError(
            f"service {self.service}: build.{key} asks for {what[:300]}", f"{advice}; nothing was built"
        )


def _cache_kinds(entry: str) -> set[str]:
    """Return the types a cache entry names; an image alone is one of a registry."""
    if "=" not in entry:
        return {"registry"}
    try:
        fields = next(csv.reader([entry], strict=True))
    except csv.Error:
        return {""}
    pairs = [field.partition("=") for field in fields]
    return {value.strip().lower() for key, _, value in pairs if key.strip().lower() == "type"} or {""}


def _ulimit(told: object) -> str:
    if isinstance(told, Mapping):
        return f"{told.get('soft', told.get('single', 0))}:{told.get('hard', told.get('single', 0))}"
    return f"{told}:{told}"


def _csv(*fields: str) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(fields)
    return text.getvalue()


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON is any
    """Take back compose's `$$`: what it prints is written so that compose could read it again."""
    return _each(value, lambda text: text.replace("$$", "$"))


def _escaped(value: Any) -> Any:  # noqa: ANN401 - JSON is any
    """Write text so that bake takes nothing in it for an expression of its language."""
    return _each(value, lambda text: text.replace("${", "$${").replace("%{", "%%{"))


def _each(value: Any, change: Callable[[str], str]) -> Any:  # noqa: ANN401 - JSON is any
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(key): _each(entry, change) for key, entry in value.items()}
    return [_each(entry, change) for entry in value] if isinstance(value, list) else value
