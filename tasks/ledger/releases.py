"""The releases: written once, read for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, or_

from tasks.kernel.errors import TerminalError
from tasks.ledger.errors import Conflict
from tasks.ledger.models import RELEASES
from tasks.ledger.records import ReleaseRecord
from tasks.ledger.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement

    from blocks.values.releases import Release

SHORTEST_PREFIX = 4
_ROW = RELEASES.c


class Releases(Rows[ReleaseRecord]):
    """The releases a ledger knows."""

    table = RELEASES
    kind = ReleaseRecord

    def record(self, release: Release) -> Release:
        """Keep a release. Running it twice is safe: the one that is there is returned as it stands.

        The digests of images that are not built here may differ: of two runs that made the same release at once, one
        may not have reached a registry, or a tag moved between them. The first one's count.

        Raises:
            TerminalError: Another content is kept under this id.
        """
        known = self.get(release.id) or self._added(release)
        differences = _differences(known, release)
        if differences:
            raise TerminalError(
                f"release {release.id} of {known.pipeline} is recorded with another content "
                f"({', '.join(differences)})",
                "a release never changes: promote the recorded one, or make a new commit",
            )
        return known

    def _added(self, release: Release) -> Release:
        try:
            self._add(
                id=release.id,
                pipeline=release.pipeline,
                commit_sha=release.commit.sha,
                data=release,
                created_at=release.created_at,
            )
        except Conflict:  # another run recorded it meanwhile
            return self.get(release.id) or release
        return release

    def get(self, release_id: str) -> Release | None:
        """Return a release, or None where the ledger has none of that id."""
        found = self._found(_ROW.id == release_id)
        return found[0] if found else None

    def find(self, pipeline: str, text: str) -> list[Release]:
        """Return the releases a person may mean.

        Args:
            text: A release's id, or the first characters (at least four) of its id or its commit.

        Returns:
            The one of exactly that id, or else all that begin so, newest first.
        """
        exact = self._found(_ROW.pipeline == pipeline, _ROW.id == text)
        if exact or len(text) < SHORTEST_PREFIX:
            return exact
        begins = or_(
            func.substr(_ROW.id, 1, len(text)) == text,
            func.substr(_ROW.commit_sha, 1, len(text)) == text.lower(),
        )
        return self._found(_ROW.pipeline == pipeline, begins)

    def of_commit(self, pipeline: str, sha: str) -> Release | None:
        """Return a commit's release, or None where it was never built."""
        found = self._found(_ROW.pipeline == pipeline, _ROW.commit_sha == sha)
        return found[0] if found else None

    def _found(self, *wanted: ColumnElement[bool]) -> list[Release]:
        newest_first = [_ROW.created_at.desc(), _ROW.id.desc()]
        return [row.data for row in self._all(*wanted, order=newest_first)]


def _differences(one: Release, other: Release) -> list[str]:
    """Return the names of the fields in which two releases differ."""
    first, second = (
        release.model_copy(update={"created_at": one.created_at, "third_party": _tags(release.third_party)})
        for release in (one, other)
    )
    return [name for name in type(one).model_fields if getattr(first, name) != getattr(second, name)]


def _tags(images: Mapping[str, str]) -> dict[str, str]:
    return {service: reference.partition("@")[0] for service, reference in images.items()}
