"""What is true on a host now, as read from the host itself."""

from __future__ import annotations

from blocks.values.base import Value
from blocks.values.manifests import Manifest
from blocks.values.release_data import MountFact, ReleaseData


class ContainerFact(Value):
    """One container of the application.

    Attributes:
        id: The engine's id of it.
        service: The compose service it belongs to.
        image: The reference it was started with.
        status: The engine's word: `running`, `exited`, `restarting`, …
        health: `healthy`, `unhealthy`, `starting`, or empty without a health check.
        restarts: How often the engine restarted it.
        exit_code: Its last exit status.
        created_at: When it was made, in the engine's words; empty where that is not known.
        started_at: When it was last started, likewise.
        name: What the engine calls it.
        successor: True when compose made it to take the place of another one.
        mounts: What it mounts.
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
        host: The host's name.
        manifest: What the host says runs there, None where nothing does.
        env_file: The env file found, by name; None where none of the names exists.
        env_keys: The keys in it, sorted.
        database_running: True when the database's container runs.
        revision: The schema revision in the database, None when there is none or it cannot be told.
        database_bytes: The database's size, None when unknown.
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
        engine: The Docker engine's version, empty where none answers.
        compose: Compose's version, empty where it is missing.
        free_bytes: Free space where the application's directory is or will be.
        docker_free_bytes: Free space where the engine keeps images, None when it cannot be told.
        has_flock: True when util-linux `flock` is there.
        listening: TCP ports something listens on.
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
