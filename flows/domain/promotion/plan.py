"""The plan: what a promotion would change, put together from facts. Nothing is read here."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from blocks.pipeline import Migration
from blocks.values.evidence import RehearsalReceipt
from blocks.values.plans import KeyChange, Plan
from blocks.values.releases import Commit, Release, Revision
from blocks.values.schema_changes import MigrationVerdict, worst
from flows.domain.approvals.values import ApprovalPolicy
from flows.domain.database.schema import SchemaPath, ahead_of, schema_path
from tasks.kernel.redact import MASK

_MOST_PAIRED_LINES = 4_000
_SHORTEST_SECRET_LINE = 4


@dataclass(frozen=True)
class SchemaEvidence:
    """What is known of the pending migrations before anything is touched.

    Attributes:
        override: Why a migration that breaks the running release may come in nevertheless; empty without.
        pending: The pending migrations as a tool other than Alembic told them.
    """

    verdicts: tuple[MigrationVerdict, ...] = ()
    rehearsal: RehearsalReceipt | None = None
    override: str = ""
    override_required: int = 0
    pending: tuple[Revision, ...] = ()


@dataclass(frozen=True)
class PlanFacts:
    """Everything a plan is made of.

    Attributes:
        compose: Path → text of the release's compose files.
        current: The revisions the database stands at, None where that could not be read.
        known: Migrations of other releases that ran here, beside those of the running one.
        migrates: True when the promotion runs migrations; a rollback does not.
        told: False where nothing was asked that could name the pending migrations.
        policy_checksum: sha256 over the environment's policy as read from the default branch.
        description_checksum: sha256 over what the default branch says about the release, empty where its commit does.
    """

    environment: str
    release: Release
    running: Release | None
    commits: tuple[Commit, ...] = ()
    commits_leaving: tuple[Commit, ...] = ()
    compose: Mapping[str, str] = field(default_factory=dict)
    compose_running: Mapping[str, str] = field(default_factory=dict)
    required_keys: tuple[str, ...] = ()
    required_keys_running: tuple[str, ...] = ()
    present_keys: tuple[str, ...] = ()
    current: tuple[str, ...] | None = None
    known: tuple[Revision, ...] = ()
    migrates: bool = True
    told: bool = True
    evidence: SchemaEvidence = field(default_factory=SchemaEvidence)
    backup: bool = False
    policy: ApprovalPolicy = field(default_factory=ApprovalPolicy)
    policy_checksum: str = ""
    description_checksum: str = ""
    expected_seconds: float | None = None
    database_bytes: int | None = None


def make_plan(facts: PlanFacts, *, secrets: Collection[str] = ()) -> Plan:
    """Put a plan together.

    Raises:
        UnknownRevisionError: The database stands at a migration that nobody knows, or on another branch.
    """
    release, running = facts.release, facts.running
    schema = _schema(facts)
    return Plan(
        pipeline=release.pipeline,
        environment=facts.environment,
        release_id=release.id,
        running_release_id=running.id if running else None,
        commit=release.commit,
        commits=facts.commits,
        commits_leaving=facts.commits_leaving,
        images=release.images,
        images_changed=_changed(running.digests if running else {}, release.digests),
        third_party=release.third_party,
        third_party_changed=_changed(running.third_party if running else {}, release.third_party),
        compose_diff=compose_diff(facts.compose_running, facts.compose, secrets=secrets),
        key_changes=key_change(facts.required_keys, facts.required_keys_running, facts.present_keys),
        revision=", ".join(sorted(facts.current)) if facts.current else None,
        pending=schema.pending or facts.evidence.pending,
        ahead=schema.ahead,
        told=facts.told,
        verdicts=facts.evidence.verdicts,
        rehearsal=facts.evidence.rehearsal,
        override=facts.evidence.override,
        backup=facts.backup,
        approvals_required=_quorum(facts),
        approvers=facts.policy.approvers,
        policy_checksum=facts.policy_checksum,
        description_checksum=facts.description_checksum,
        expected_seconds=facts.expected_seconds,
        database_bytes=facts.database_bytes,
    )


def _quorum(facts: PlanFacts) -> int:
    """An override takes more people, where it is one: nothing is overridden where nothing breaks."""
    overrides = facts.evidence.override and worst(facts.evidence.verdicts).breaks
    return max(facts.policy.required, facts.evidence.override_required if overrides else 0)


def _schema(facts: PlanFacts) -> SchemaPath:
    running = facts.running.revisions if facts.running else ()
    known = (*facts.known, *running)
    if facts.migrates:
        return schema_path(facts.release.revisions, facts.current, known)
    # Where the database was not read, it is taken to stand where the running release does.
    current = tuple(revision.id for revision in running) if facts.current is None else facts.current
    return SchemaPath(ahead=ahead_of(facts.release.revisions, current, known))


def is_told(migration: Migration | None, revisions: tuple[Revision, ...], *, asked: bool) -> bool:
    """Say whether anything could name the pending migrations.

    Returns:
        False where nothing was asked: none told is not none pending.
    """
    if migration is None or revisions:
        return True
    return asked and (migration.alembic is not None or migration.revisions is not None)


def must_migrate(plan: Plan, revisions: tuple[Revision, ...], *, only_upgrades: bool) -> bool:
    """Say whether the migration command has anything to do.

    Only of Alembic is it known that it does nothing where nothing is pending; any other command is always run.

    Returns:
        False where the database was read and lacks no migration.
    """
    return not (only_upgrades and revisions and plan.revision is not None and not plan.pending)


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(name for name, value in after.items() if before.get(name) != value))


def key_change(required: Iterable[str], required_running: Iterable[str], present: Iterable[str]) -> KeyChange:
    """Compare the keys two releases require, and what the env file holds."""
    new, old, there = set(required), set(required_running), set(present)
    return KeyChange(
        missing=tuple(sorted(new - there)), added=tuple(sorted(new - old)), removed=tuple(sorted(old - new))
    )


def compose_diff(before: Mapping[str, str], after: Mapping[str, str], *, secrets: Collection[str]) -> str:
    """Compare the compose files of two releases."""
    hidden = _redactions(secrets)
    lines: list[str] = []
    for path in sorted({*before, *after}):
        old, new = (_redacted(texts.get(path, ""), hidden).split("\n") for texts in (before, after))
        lines += _difference(old, new, path)
    return "\n".join(lines)


def _difference(old: list[str], new: list[str], path: str) -> Iterable[str]:
    """Return the unified diff of a file; of a very long one all between the first and the last difference as one.

    Whoever writes the lines chooses how long looking for pairs takes: with the number of lines to the third power.
    """
    if len(old) + len(new) <= _MOST_PAIRED_LINES:
        return difflib.unified_diff(old, new, f"a/{path}", f"b/{path}", lineterm="")
    first = _alike(old, new)
    last = min(_alike(old[::-1], new[::-1]), len(old) - first, len(new) - first)
    gone, come = old[first : len(old) - last], new[first : len(new) - last]
    if not gone and not come:
        return ()
    place = f"@@ -{first + 1},{len(gone)} +{first + 1},{len(come)} @@"
    return (
        f"--- a/{path}",
        f"+++ b/{path}",
        place,
        *(f"-{one}" for one in gone),
        *(f"+{one}" for one in come),
    )


def _alike(old: list[str], new: list[str]) -> int:
    return next(
        (at for at, (one, other) in enumerate(zip(old, new, strict=False)) if one != other),
        min(len(old), len(new)),
    )


def _redacted(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def _redactions(secrets: Collection[str]) -> list[str]:
    # YAML indents the lines of a key or certificate, so each line is looked for as well; the longer ones first, where
    # one is part of another.
    lines = {line.strip() for secret in secrets for line in secret.splitlines()}
    long_lines = {line for line in lines if len(line) >= _SHORTEST_SECRET_LINE}
    return sorted({*secrets, *long_lines} - {""}, key=lambda secret: (-len(secret), secret))
