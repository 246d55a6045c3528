"""A container registry in memory, and the engine that pushes to it."""

from __future__ import annotations

import hashlib

from tasks.kernel.errors import TerminalError, TransientError


class FakeRegistry:
    """A `Registry` in memory.

    Args:
        address: Its address, which repositories may begin with.

    Attributes:
        tags: (repository path, tag) → digest.
        refuses: True to refuse every login.
        answers: False to be out of reach.
    """

    def __init__(self, address: str = "registry.test:5000") -> None:
        self.address = address
        self.tags: dict[tuple[str, str], str] = {}
        self.refuses = False
        self.answers = True

    def digest(self, repository: str, tag: str) -> str | None:
        self.check_login()
        path = self._path(repository)
        if tag.startswith("sha256:"):
            return tag if self._has(path, tag) else None
        return self.tags.get((path, tag))

    def tag(self, repository: str, digest: str, tag: str) -> None:
        self.check_login()
        path = self._path(repository)
        if not self._has(path, digest):
            raise TerminalError(
                f"registry {self.address} has no {repository}@{digest}", "push the image again"
            )
        self.tags[path, tag] = digest

    def check_login(self) -> None:
        if not self.answers:
            raise TransientError(f"registry {self.address} does not answer", "check its address")
        if self.refuses:
            raise TerminalError(f"registry {self.address} refused the login", "check user and password")

    def put(self, repository: str, tag: str, content: str) -> str:
        """Put an image there, as a push does; return its digest."""
        digest = "sha256:" + hashlib.sha256(content.encode()).hexdigest()
        self.tags[self._path(repository), tag] = digest
        return digest

    def _path(self, repository: str) -> str:
        path = repository.removeprefix(f"{self.address}/")
        if path != path.lower() or not path.strip("/") or path.startswith("-"):
            raise TerminalError(
                f"{path!r} cannot be the name of a repository in {self.address}", "use lower case"
            )
        return path

    def _has(self, path: str, digest: str) -> bool:
        return any(known == path and found == digest for (known, _), found in self.tags.items())


class FakeEngine:
    """An `Engine` whose local images are texts.

    Args:
        registry: Where it pushes to.

    Attributes:
        images: Local reference → content; equal contents have equal digests.
        denied: Repositories the registry refuses a push to.
        pushed: References that were pushed, oldest first.
    """

    def __init__(self, registry: FakeRegistry) -> None:
        self.registry = registry
        self.images: dict[str, str] = {}
        self.denied: set[str] = set()
        self.pushed: list[str] = []

    def push(self, repository: str, tag: str) -> str:
        reference = f"{repository}:{tag}"
        if reference not in self.images:
            raise TerminalError(f"the engine has no image {reference}", "build it first")
        if repository in self.denied:
            raise TerminalError(f"the push of {reference} was refused: denied", "check the registry's block")
        self.registry.check_login()
        self.pushed.append(reference)
        return self.registry.put(repository, tag, self.images[reference])

    def tag(self, image: str, repository: str, tag: str) -> None:
        if image not in self.images:
            raise TerminalError(f"the engine has no image {image}", "build it first")
        self.images[f"{repository}:{tag}"] = self.images[image]
