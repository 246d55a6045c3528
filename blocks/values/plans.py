"""What a promotion would change, computed before anything is touched."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from blocks.values.base import Value
from blocks.values.evidence import RehearsalReceipt
from blocks.values.releases import Commit, Image, Revision
from blocks.values.rollback import RollbackStrategy
from blocks.values.schema_changes import UNKNOWN, MigrationVerdict


class KeyChange(Value):
    """A change among the environment's keys; values never appear.

    Attributes:
        missing: Keys the release requires and the host's env file lacks.
        added: Keys the release requires and the running release did not.
        removed: Keys the running release required and this one does not.
    """

    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class GateAnswer(Value):
    """One gate's answer.

    Attributes:
        waiting: True when it did not pass and may pass by itself, without anybody's doing.
        until: When it passes by itself, UTC; None where nobody knows.
    """

    gate: str
    passed: bool
    reason: str
    waiting: bool = False
    until: datetime | None = None
    link: str = ""


class Plan(Value):
    """What would change. Its hash is what people approve.

    Attributes:
        commits_leaving: The commits that go out (a rollback, or another branch), newest first.
        third_party: Service → image reference for the services that are not built here.
        compose_diff: Unified diff of the compose files as the hosts would get them; secrets redacted.
        ahead: The migrations the database has and the release does not know (a rollback), oldest first.
        told: False where nothing was asked that could name the pending migrations.
        override: Why a migration that breaks the running release may come in nevertheless; empty without.
        policy_checksum: sha256 over the environment's policy as read from the default branch.
        description_checksum: sha256 over what the default branch says about a release whose commit says nothing; empty
            where the commit does.
        expected_seconds: The median duration of earlier promotions here, None without history.
    """

    pipeline: str
    environment: str
    release_id: str
    running_release_id: str | None
    commit: Commit
    commits: tuple[Commit, ...] = ()
    commits_leaving: tuple[Commit, ...] = ()
    images: tuple[Image, ...] = ()
    images_changed: tuple[str, ...] = ()
    third_party: dict[str, str] = {}
    third_party_changed: tuple[str, ...] = ()
    compose_diff: str = ""
    key_changes: KeyChange = KeyChange()
    revision: str | None = None
    pending: tuple[Revision, ...] = ()
    ahead: tuple[Revision, ...] = ()
    told: bool = True
    verdicts: tuple[MigrationVerdict, ...] = ()
    rehearsal: RehearsalReceipt | None = None
    override: str = ""
    going_back: RollbackStrategy | None = None
    backup: bool = False
    approvals_required: int = 0
    approvers: tuple[str, ...] = ()
    policy_checksum: str = ""
    description_checksum: str = ""
    expected_seconds: float | None = None
    database_bytes: int | None = None

    # What may drift between asking and acting without changing what people said yes to.
    _informative = frozenset({"expected_seconds", "database_bytes"})

    @property
    def pending_known(self) -> bool:
        """False where nobody could say which migrations are pending."""
        return self.told and all(verdict.revision != UNKNOWN for verdict in self.verdicts)

    @property
    def hash(self) -> str:
        """Sha256 over everything but the estimates, hex."""
        left_out: dict[str, Any] = dict.fromkeys(self._informative, True)
        # What earlier versions did not have and is not there keeps the hash as it was: people may have answered it.
        if not self.description_checksum:
            left_out["description_checksum"] = True
        if self.told:
            left_out["told"] = True
        if self.rehearsal is not None:
            new = {
                "asked": self.rehearsal.asked is None,
                "drill": {"why_empty": not self.rehearsal.drill.why_empty},
            }
            left_out["rehearsal"] = new
        text = self.model_dump_json(exclude=left_out)
        return hashlib.sha256(text.encode()).hexdigest()
