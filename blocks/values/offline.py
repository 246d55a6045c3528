"""What a host remembers of the releases that ran on it, and of a rollback made without server and ledger."""

from __future__ import annotations

from datetime import datetime

from blocks.values.base import Value
from blocks.values.evidence import RehearsalReceipt
from blocks.values.lifecycle import Kind, Status
from blocks.values.manifests import Manifest
from blocks.values.schema_changes import MigrationVerdict

# Within the application's directory on a host.
LIVE_FILE = "live.jsonl"
OFFLINE_FOLDER = "offline"
# What the ledger has taken in is renamed from `<id>.json` to `<id>.recorded.json`.
RECORDED_SUFFIX = ".recorded.json"


class LiveRelease(Value):
    """One line of the file `live.jsonl`: a release that ran here, its smoke checks green.

    Attributes:
        at: When its smoke checks had passed, UTC.
        held: The releases that were held in the environment at that time, sorted.
        verdicts: What was judged of the migrations that came in with it; without their SQL.
        rehearsal: These migrations as rehearsed on a copy: the proof that the release before runs on their
            schema too. None without.
    """

    release_id: str
    at: datetime
    kind: Kind
    promotion_id: int | None = None
    held: tuple[str, ...] = ()
    verdicts: tuple[MigrationVerdict, ...] = ()
    rehearsal: RehearsalReceipt | None = None


class HostMemory(Value):
    """All that one host remembers of an application.

    Attributes:
        fence: The highest fencing token it knows; 0 for none.
        live: The releases that ran, in the order they were written down, oldest first.
        unread: What could not be read, one line each.
    """

    current: str | None = None
    fence: int = 0
    live: tuple[LiveRelease, ...] = ()
    manifests: dict[str, Manifest] = {}
    unread: tuple[str, ...] = ()


class OfflineRollback(Value):
    """The file `offline/<id>.json` on each host: what was done there while the ledger could not be told.

    Attributes:
        id: The moment it began, `YYYYMMDDTHHMMSSZ`; the file's name, the same on every host.
        left_out: Hosts of the environment it was not about, because a person said so.
        who: Who did it, `login@machine`.
        outcome: `SUCCEEDED`; `RESTORED` where the release that was left runs again; `BROKEN` where that failed
            too; `FAILED` where nothing had been switched; `ABANDONED` where another run took over.
        warnings: What a person must know, one line each (a schema that is ahead, a check left out).
    """

    id: str
    pipeline: str
    environment: str
    from_release_id: str | None
    to_release_id: str
    hosts: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    who: str
    reason: str = ""
    started_at: datetime
    ended_at: datetime
    outcome: Status
    message: str
    warnings: tuple[str, ...] = ()
    token: int
