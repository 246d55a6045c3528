"""What the pending migrations would do, found out before anybody is asked: their SQL judged, and tried on a copy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from flows.domain.database.schema import schema_path
from flows.domain.database.verdicts import judge_migrations, pending_unknown, rendered_whole, split_rendered
from flows.domain.promotion.plan import SchemaEvidence
from flows.domain.words.names import REHEARSAL, backup_name, one_off_name
from flows.promotion.change import manifests_of
from flows.promotion.confined_service import UNKNOWN_IMAGE, confined_on_host
from flows.promotion.plan import evidence_of, known_revisions
from flows.runs.conduct import lease_held
from tasks.database.engines import engine_of, judge_of
from tasks.database.lint import lint_migrations
from tasks.database.rehearse import rehearse
from tasks.database.render import list_pending, render_migrations, revision_sources
from tasks.database.schema import read_columns
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import RefusedError
from tasks.services.prepare import dump_early
from tasks.steps.run import Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.pipeline import Migration
    from blocks.values.evidence import AskedOnCopy, RehearsalReceipt, Rendered
    from blocks.values.facts import HostFacts
    from blocks.values.manifests import Manifest
    from blocks.values.plans import Plan
    from blocks.values.receipts import BackupReceipt
    from blocks.values.releases import Release, Revision
    from blocks.values.schema_changes import MigrationVerdict
    from flows.promotion.early_start import EarlyStart
    from tasks.database.engine.protocols import ColumnFacts
    from tasks.host.confined import ConfinedService
    from tasks.images.sources import Sources


def judge_schema(
    run: Run,
    release: Release,
    sources: Sources,
    hosts: Mapping[str, HostFacts],
    *,
    override: str,
    earlier: Plan | None,
    early: EarlyStart,
) -> SchemaEvidence:
    """Find out what a release's pending migrations do. Nothing that runs is touched.

    Args:
        release: The release that would run.
        override: Why migrations that break the running release may come in nevertheless; empty without.
        earlier: The promotion's plan from before it was suspended or the environment changed; None without.
            What it knows of the same release on the same schema is not found out again.
        early: What was begun on the first host already.

    Returns:
        The verdicts, and how the migrations went on a copy where the policy asks for that.
    """
    migration, running = run.description.migration, hosts[run.primary].manifest
    base = SchemaEvidence(override=override, override_required=run.policy.database.override_required)
    if migration is None or running is None:
        # Nothing runs yet that a migration could break.
        return base
    pending = _pending(run, release, hosts)
    if migration.only_upgrades and release.revisions and not pending:
        return base
    _database_must_run(run, hosts[run.primary])
    kept = _kept(earlier, release, running, hosts[run.primary].revision, pending)
    if kept is not None:
        return evidence_of(run, release, kept)
    return _find_out(run, release, sources, hosts, migration, pending, base, early)


def _database_must_run(run: Run, facts: HostFacts) -> None:
    """Refuse while the database is down: what is pending would be guessed, and a dump cannot be taken."""
    backup = run.policy.backup
    if backup is not None and backup.built_in and not facts.database_running:
        raise RefusedError(
            f"the database of {run.environment} (service {backup.service}) does not run on {facts.host}",
            "start it there (`docker compose start`), or correct backup.service in pipeline.yaml, then promote again",
        )


def _pending(run: Run, release: Release, hosts: Mapping[str, HostFacts]) -> tuple[Revision, ...]:
    """Return what is pending as the migration graph tells it; empty for tools that have to be asked."""
    primary = hosts[run.primary]
    current = tuple(primary.revision.split(",")) if primary.revision else None
    running = primary.manifest.release.revisions if primary.manifest else ()
    return schema_path(release.revisions, current, (*known_revisions(run), *running)).pending


def _kept(
    earlier: Plan | None,
    release: Release,
    running: Manifest,
    revision: str | None,
    pending: tuple[Revision, ...],
) -> Plan | None:
    if earlier is None or earlier.release_id != release.id:
        return None
    same_ground = earlier.running_release_id == running.release.id and earlier.revision == (
        ", ".join(sorted(revision.split(","))) if revision else None
    )
    if not same_ground or (pending and earlier.pending != pending):
        return None
    return earlier


def _find_out(
    run: Run,
    release: Release,
    sources: Sources,
    hosts: Mapping[str, HostFacts],
    migration: Migration,
    pending: tuple[Revision, ...],
    base: SchemaEvidence,
    early: EarlyStart,
) -> SchemaEvidence:
    bundle = early.bundle
    manifest = manifests_of(run, release, bundle, hosts)[run.primary]
    rules, primary = run.policy.database, hosts[run.primary]
    service = confined_on_host(run, release, sources, bundle)
    with lease_held(run):
        early.wait_for_images()
        named = _ask_pending(run, release, service, primary.revision)
        wanted = rules.rehearse and (named is None or bool(pending or named) or migration.at_boot)
        rehearsal = _rehearsed(run, release, primary) if wanted else None
        dump = _dump(run, release) if wanted and rehearsal is None else None
    if dump is not None:
        rehearsal = _rehearse(run, release, manifest, hosts, dump, asks=named is None)
    asked = rehearsal.asked if rehearsal and named is None else None
    if named is None:
        named = asked.pending if asked else None
    if named is None:
        verdicts: tuple[MigrationVerdict, ...] = (pending_unknown(_why_unknown(migration, service, asked)),)
    elif pending or named:
        told = (asked.rendered, read_columns(run)) if asked else early.rendered(primary.revision)
        told = told or _ask(run, service, primary.revision)
        verdicts = _judge(run, sources, migration, pending or named, *told)
    else:
        verdicts = ()
    # What it told stands in the verdicts.
    brief = rehearsal.model_copy(update={"asked": None}) if rehearsal else None
    return replace(base, verdicts=verdicts, rehearsal=brief, pending=named or ())


def _ask_pending(
    run: Run, release: Release, service: ConfinedService | None, revision: str | None
) -> tuple[Revision, ...] | None:
    """Ask a release that does not name its migrations which are pending; None where it cannot tell by itself.

    Of Alembic such is one whose image is not built here, so that it was not asked when the release was made.
    """
    migration = run.description.migration
    if migration is None or (release.revisions if migration.alembic else migration.revisions is None):
        return ()
    if service is None:
        return None
    container = one_off_name(run.pipeline, "pending", str(run.promotion_id))
    current = tuple(revision.split(",")) if revision else ()
    return list_pending(run, host=run.primary, service=service, container=container, current=current)


def _why_unknown(migration: Migration, service: ConfinedService | None, asked: AskedOnCopy | None) -> str:
    if asked is not None:
        return f"migration.revisions failed on a copy of the database: {asked.why}"
    if service is None:
        return UNKNOWN_IMAGE.reason
    who = "migration.revisions" if migration.alembic is None else "Alembic's history"
    return f"{who} does not name them without a database, and before approval it is asked nowhere else"


def _rehearsed(run: Run, release: Release, facts: HostFacts) -> RehearsalReceipt | None:
    """Return what this promotion rehearsed already on the same ground, before its run was cut."""
    record = run.ledger.rehearsals.last_of(run.promotion_id)
    if record is None or record.receipt.release_id != release.id:
        return None
    running = facts.manifest.release.id if facts.manifest else None
    same = record.receipt.running_release_id == running and record.receipt.revision_before == facts.revision
    return record.receipt if same else None


def _dump(run: Run, release: Release) -> BackupReceipt:
    name = f"{REHEARSAL}{backup_name(run.environment, release.id, utc_now())}"
    receipt = dump_early(run, host=run.primary, name=name)
    run.ledger.backups.add(
        promotion_id=run.promotion_id,
        pipeline=run.pipeline,
        environment=run.environment,
        receipt=receipt,
        now=utc_now(),
    )
    return receipt


def _judge(
    run: Run,
    sources: Sources,
    migration: Migration,
    pending: tuple[Revision, ...],
    rendered: Rendered,
    facts: ColumnFacts,
) -> tuple[MigrationVerdict, ...]:
    engine = judge_of(migration)
    if migration.alembic is not None:
        judge = engine_of(migration).judge
        migrations = split_rendered(rendered.text, pending, rendered.exit_code, rendered.reason, judge)
    else:
        migrations = rendered_whole(rendered.text, pending, rendered.exit_code, rendered.reason)
    ids = tuple(one.revision for one in migrations)
    return judge_migrations(
        migrations,
        engine,
        facts=facts,
        lint=lint_migrations(
            run,
            linter=engine.judge.LINTER if engine else None,
            migrations={one.revision: one.sql for one in migrations},
        ),
        sources=None if migration.alembic is None else revision_sources(sources.source, ids),
    )


def _ask(run: Run, service: ConfinedService | None, start: str | None) -> tuple[Rendered, ColumnFacts]:
    """Have the new image print its pending migrations; read the database's sizes and types meanwhile."""
    if service is None:
        return UNKNOWN_IMAGE, read_columns(run)
    container = one_off_name(run.pipeline, "render", str(run.promotion_id))
    rendering = render_migrations.submit(
        run, host=run.primary, service=service, start=start, container=container
    )
    columns = read_columns(run)
    return rendering.result(), columns


def _rehearse(
    run: Run,
    release: Release,
    manifest: Manifest,
    hosts: Mapping[str, HostFacts],
    dump: BackupReceipt,
    *,
    asks: bool,
) -> RehearsalReceipt:
    """Try the migrations on a copy, and write down what that proved."""
    running = hosts[run.primary].manifest
    previous = running and run.target(run.primary).read_manifest(running.release.id)
    receipt = rehearse(
        run,
        host=run.primary,
        backup=dump,
        release=release,
        manifest=manifest,
        previous=previous,
        name=one_off_name(run.pipeline, "copy", str(run.promotion_id)),
        asks=asks,
    )
    drills, rehearsals, now = run.ledger.drills, run.ledger.rehearsals, utc_now()
    here = (run.promotion_id, run.pipeline, run.environment)
    drills.add(promotion_id=here[0], pipeline=here[1], environment=here[2], receipt=receipt.drill, now=now)
    rehearsals.add(promotion_id=here[0], pipeline=here[1], environment=here[2], receipt=receipt, now=now)
    return receipt
