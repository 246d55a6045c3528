"""The releases: written once, read for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, insert, or_, select

from blocks.values.releases import Release
from tasks.kernel.errors import TerminalError
from tasks.ledger.errors import Conflict
from tasks.ledger.models import ReleaseRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement

    from tasks.ledger.database import Database

SHORTEST_PREFIX = 4


class Releases:
    """The releases a ledger knows.

    Args:
        database: The ledger's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, release: Release) -> Release:
        """Keep a release. Running it twice is safe: the one that is there is returned as it stands.

        The digests of images that are not built here may differ: of two runs that made the same release at once, one
        may not have reached a registry, or a tag moved between them. The first one's count.

        Returns:
            The release as the ledger has it, with the time it was first recorded.

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
        values = {
            "id": release.id,
            "pipeline": release.pipeline,
            "commit_sha": release.commit.sha,
            "data": release.to_json(),
            "created_at": release.created_at,
        }
        try:
            with self._database.writing() as connection:
                connection.execute(insert(ReleaseRow).values(values))
        except Conflict:  # another run recorded it meanwhile
            return self.get(release.id) or release
        return release

    def get(self, release_id: str) -> Release | None:
        """Return a release, or None where the ledger has none of that id."""
        found = self._found(ReleaseRow.id == release_id)
        return found[0] if found else None

    def find(self, pipeline: str, text: str) -> list[Release]:
        """Return the releases a person may mean.

        Args:
            text: A release's id, or the first characters (at least four) of its id or its commit.

        Returns:
            The one of exactly that id, or else all that begin so, newest first.
        """
        exact = self._found(ReleaseRow.pipeline == pipeline, ReleaseRow.id == text)
        if exact or len(text) < SHORTEST_PREFIX:
            return exact
        begins = or_(
            func.substr(ReleaseRow.id, 1, len(text)) == text,
            func.substr(ReleaseRow.commit_sha, 1, len(text)) == text.lower(),
        )
        return self._found(ReleaseRow.pipeline == pipeline, begins)

    def of_commit(self, pipeline: str, sha: str) -> Release | None:
        """Return a commit's release, or None where it was never built."""
        found = self._found(ReleaseRow.pipeline == pipeline, ReleaseRow.commit_sha == sha)
        return found[0] if found else None

    def _found(self, *conditions: ColumnElement[bool]) -> list[Release]:
        query = select(ReleaseRow.data).where(*conditions)
        query = query.order_by(ReleaseRow.created_at.desc(), ReleaseRow.id.desc())
        with self._database.reading() as connection:
            return [Release.from_json(data) for data in connection.scalars(query)]


def _differences(one: Release, other: Release) -> list[str]:
    """Return the names of the fields in which two releases differ."""
    first, second = (
        release.model_copy(update={"created_at": one.created_at, "third_party": _tags(release.third_party)})
        for release in (one, other)
    )
    return [name for name in type(one).model_fields if getattr(first, name) != getattr(second, name)]


def _tags(images: Mapping[str, str]) -> dict[str, str]:
    return {service: reference.partition("@")[0] for service, reference in images.items()}
