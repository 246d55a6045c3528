"""What a release is: a commit, the digests built from it, its bundle and its migration head."""

from __future__ import annotations

from datetime import datetime

from blocks.values.base import Value


class Commit(Value):
    """One commit of the application's repository, by its full id of 40 hex digits."""

    sha: str
    subject: str
    author_name: str
    author_email: str
    committed_at: datetime

    @property
    def short(self) -> str:
        """The first seven digits of the commit id."""
        return self.sha[:7]


class Image(Value):
    """One image of a release, and the compose services that run it.

    Attributes:
        repository: Registry address and path, without tag or digest.
        digest: The registry's manifest digest, `sha256:` and 64 hex digits.
    """

    target: str
    repository: str
    digest: str
    services: tuple[str, ...]

    @property
    def reference(self) -> str:
        """The reference compose is given: repository and digest, never a tag."""
        return f"{self.repository}@{self.digest}"


class Revision(Value):
    """One schema migration as the release's own tool lists it; `down` are the ones it follows."""

    id: str
    down: tuple[str, ...] = ()
    message: str = ""


class Release(Value):
    """A commit with everything needed to run it. Built once, promoted as it is.

    Attributes:
        id: `<commit time as YYYYMMDDHHMMSS>-<first 12 digits of the commit>`; names its folder on hosts.
        third_party: Service name → image reference for the services that are not built here; with the digest its
            tag had when the release was built, where its registry told it.
        bundle_checksum: Git's tree id of the commit: over everything a bundle is cut from.
    """

    id: str
    pipeline: str
    commit: Commit
    images: tuple[Image, ...]
    third_party: dict[str, str] = {}
    revisions: tuple[Revision, ...] = ()
    bundle_checksum: str
    created_at: datetime

    @property
    def digests(self) -> dict[str, str]:
        """Target name → digest."""
        return {image.target: image.digest for image in self.images}
