"""What is true on a host now, as read from the host itself."""

from __future__ import annotations

from blocks.values.base import Value
from blocks.values.manifests import Manifest
from blocks.values.release_data import MountFact, ReleaseData


class ContainerFact(Value):
    """One container of the application.

    Attributes:
        status: The engine's word: `running`, `exited`, `restarting`, …
        created_at: When it was made, in the engine's words; empty where that is not known.
        successor: True when compose made it to take the place of another one.
    """

    id: str
    service: str
    image: str
    status: str
    health: str = ""
    restarts: int = 0
    exit_code: int = 0
    created_at: str = ""
    started_at: str = ""
    name: str = ""
    successor: bool = False
    mounts: tuple[MountFact, ...] = ()


class HostFacts(Value):
    """What a plan needs to know of a host. Values of the env file never appear.

    Attributes:
        env_file: The env file found, by name; None where none of the names exists.
        revision: The schema revision in the database, None when there is none or it cannot be told.
        containers: The application's containers, one-offs left out.
        data: What it wrote into the folder of the release that runs; None where nothing runs.
    """

    host: str
    manifest: Manifest | None
    env_file: str | None
    env_keys: tuple[str, ...] = ()
    database_running: bool = False
    revision: str | None = None
    database_bytes: int | None = None
    containers: tuple[ContainerFact, ...] = ()
    data: ReleaseData | None = None

    @property
    def running(self) -> tuple[str, ...]:
        """The services that run, sorted."""
        return tuple(sorted({one.service for one in self.containers if one.status == "running"}))


class Readiness(Value):
    """What the preflight reads of a host.

    Attributes:
        docker_free_bytes: Free space where the engine keeps images, None when it cannot be told.
        owners: Published port → compose project that publishes it.
        problem: The engine's own words when it does not answer.
    """

    engine: str
    compose: str
    free_bytes: int
    docker_free_bytes: int | None = None
    has_flock: bool = True
    listening: frozenset[int] = frozenset()
    owners: dict[int, str] = {}
    problem: str = ""
