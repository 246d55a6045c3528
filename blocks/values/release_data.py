"""What an application wrote into the folder of its own release on a host."""

from __future__ import annotations

from blocks.values.base import Value


class MountFact(Value):
    """One mount of a container; a volume has no source on the host."""

    target: str
    source: str = ""
    writable: bool = True


class WrittenMount(Value):
    """A place, relative to a release's folder, that a service may write to; `.` is all of it."""

    service: str
    source: str


class ReleaseData(Value):
    """What lies where a release's services may write, in the release's own folder, compared with its bundle.

    All paths are relative to that folder.

    Attributes:
        added: What the bundle does not have. A folder without any file of the bundle stands for all that is in it,
            with a `/` at its end.
        unknown: What the deploy login may not read.
        empty: Folders the bundle does not have, with nothing in them.
        elsewhere: Places of which a running service still has the folder of an earlier release.
        beside: Places that a running container has which is no service of the release, by its name.
        made: What the engine made itself, as places for mounts within mounts.
        shared: Places of which git has no file, so that they lead out of the folder, to what all releases share.
    """

    release_id: str
    mounts: tuple[WrittenMount, ...]
    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    elsewhere: tuple[WrittenMount, ...] = ()
    beside: tuple[WrittenMount, ...] = ()
    made: tuple[str, ...] = ()
    shared: tuple[WrittenMount, ...] = ()

    @property
    def differs(self) -> tuple[str, ...]:
        """Everything that is not as the bundle has it, sorted."""
        return tuple(sorted({*self.changed, *self.added, *self.deleted, *self.unknown}))
