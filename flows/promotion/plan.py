"""What a promotion would change: facts are read, the plan is put together, nothing is touched."""

from __future__ import annotations

import statistics
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefect import flow
from prefect.futures import wait

from blocks.values.lifecycle import Kind
from flows.core.describe import describe_commit
from flows.core.session import open_session
from flows.domain.approvals.values import policy_of
from flows.domain.gates.hotfix import policy_for
from flows.domain.promotion.plan import PlanFacts, SchemaEvidence, is_told, make_plan
from flows.domain.words.names import run_name
from flows.gates.ask import ask_gates, known_release, ref_facts, resolve_request, unbuilt_release
from flows.gates.entry import ask_entry
from flows.promotion.release_data import ask_data_gate
from tasks.adapters.pool import close_all
from tasks.images.sources import check_out
from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.redact import process_redactor
from tasks.services.facts import read_host
from tasks.steps.step import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from blocks.values.facts import HostFacts
    from blocks.values.plans import GateAnswer, Plan
    from blocks.values.releases import Commit, Release, Revision
    from tasks.images.sources import DescribedCommit
    from tasks.steps.run import Run


def read_hosts(run: Run) -> dict[str, HostFacts]:
    """Read the facts of every host, side by side."""
    with reading_hosts(run) as facts:
        return facts()


@contextmanager
def reading_hosts(run: Run) -> Iterator[Callable[[], dict[str, HostFacts]]]:
    """Read the facts of every host, side by side, while something else is done.

    Yields:
        What waits for the facts and returns them. Leaving waits as well: no reading outlives its flow.
    """
    reading = {name: read_host.submit(run, host=name) for name in run.hosts}
    try:
        yield lambda: {name: future.result() for name, future in reading.items()}
    finally:
        wait(list(reading.values()))


def running_release(run: Run, hosts: Mapping[str, HostFacts]) -> Release | None:
    """Say which release runs, by the hosts' own memory; a difference from the ledger is told.

    Returns:
        The release on the first host, None where nothing runs.
    """
    manifest = hosts[run.primary].manifest
    row = run.ledger.promotions.running(run.pipeline, run.environment)
    there = manifest.release.id if manifest else None
    if row is not None and row.release_id != there:
        log().warning(
            "drift: the ledger says %s runs in %s, its host says %s; the host's answer is used",
            row.release_id,
            run.environment,
            there or "nothing",
        )
    return manifest.release if manifest else None


def plan_of(
    run: Run,
    release: Release,
    described: DescribedCommit,
    hosts: Mapping[str, HostFacts],
    *,
    migrates: bool = True,
    evidence: SchemaEvidence | None = None,
) -> Plan:
    """Put the plan together.

    Args:
        migrates: False for a rollback.
    """
    running = running_release(run, hosts)
    primary = hosts[run.primary]
    coming, leaving = commits_between(run, running, release)
    before = describe_running(run, running)
    durations = run.ledger.promotions.durations(run.pipeline, run.environment)
    present = [set(facts.env_keys) for facts in hosts.values()]
    migrates = migrates and run.description.migration is not None
    return make_plan(
        PlanFacts(
            environment=run.environment,
            release=release,
            running=running,
            commits=coming,
            commits_leaving=leaving,
            compose=_redacted(described.texts),
            compose_running=_redacted(before.texts) if before else {},
            required_keys=described.required,
            required_keys_running=before.required if before else (),
            present_keys=tuple(sorted(set.intersection(*present))),
            current=tuple(primary.revision.split(",")) if primary.revision else None,
            migrates=migrates,
            told=is_told(
                run.description.migration if migrates else None, release.revisions, asked=evidence is not None
            ),
            evidence=evidence or SchemaEvidence(),
            backup=migrates_or_backs_up(run, primary),
            policy=policy_of(run.policy.approvals),
            policy_checksum=run.policy.checksum,
            description_checksum=run.description.checksum,
            expected_seconds=statistics.median(durations) if durations else None,
            database_bytes=primary.database_bytes,
            known=known_revisions(run),
        )
    )


def evidence_of(run: Run, release: Release, plan: Plan) -> SchemaEvidence:
    """Return what a plan knows of its migrations, to compare it with the plan of a moment later."""
    migration = run.description.migration
    told = plan.pending if migration is not None and not (migration.alembic and release.revisions) else ()
    return SchemaEvidence(
        verdicts=plan.verdicts,
        rehearsal=plan.rehearsal,
        override=plan.override,
        override_required=run.policy.database.override_required,
        pending=told,
    )


def _redacted(texts: Mapping[str, str]) -> dict[str, str]:
    return {path: process_redactor().text(text) for path, text in texts.items()}


def known_revisions(run: Run) -> tuple[Revision, ...]:
    """Return the migrations of the releases that were promoted here lately, also of those that failed."""
    ids = {row.release_id for row in run.ledger.promotions.history(run.pipeline, run.environment, limit=50)}
    found: dict[str, Revision] = {}
    for known in sorted(one for one in ids if one):
        release = run.ledger.releases.get(known)
        found.update({revision.id: revision for revision in release.revisions} if release else {})
    return tuple(found.values())


def migrates_or_backs_up(run: Run, primary: HostFacts) -> bool:
    """Say whether a dump is taken: the policy wants one, and there is something to dump."""
    return run.policy.backup is not None and (primary.database_running or primary.manifest is not None)


def commits_between(
    run: Run, running: Release | None, release: Release
) -> tuple[tuple[Commit, ...], tuple[Commit, ...]]:
    """Return the commits that come in and those that go out, newest first."""
    if running is None:
        return (release.commit,), ()
    if running.commit.sha == release.commit.sha:
        return (), ()
    try:
        coming, leaving = run.mirror.commits_between(running.commit.sha, release.commit.sha)
    except TerminalError:
        log().warning("commit %s of the running release is no longer in the repository", running.commit.short)
        return (release.commit,), ()
    return tuple(coming), tuple(leaving)


def describe_running(run: Run, running: Release | None) -> DescribedCommit | None:
    """Describe the running release's commit, None where nothing runs or git no longer has it."""
    if running is None:
        return None
    try:
        return describe_commit(run.mirror, run.description, running.commit.sha)
    except (TerminalError, TransientError):
        return None


@dataclass(frozen=True)
class PlanPreview:
    """A plan that was only looked at.

    Attributes:
        built: False when the images do not exist yet, so that digests and migrations are not known.
    """

    plan: Plan
    gates: tuple[GateAnswer, ...]
    built: bool


@flow(name="plan", flow_run_name="plan → {environment}", persist_result=False)
def preview(environment: str, ref: str = "", source: str = "default") -> PlanPreview:
    """Compute what a promotion would change, and change nothing.

    Args:
        environment: Where the release would go.
        ref: A branch, tag, commit or release; empty for the environment's default.
        source: The `git-repository` block of the application.

    Returns:
        The plan and the gates' answers.

    Raises:
        SluiceError: Something could not be read, with what to do about it.
    """
    with open_session(source) as session:
        policy = session.policy(environment)
        resolved = resolve_request(session, policy, ref)
        policy = policy_for(policy, ref_facts(resolved))
        description = session.describe(environment, resolved.release_text)
        run = session.run(0, policy, description)
        release = known_release(session, policy, resolved)
        described = describe_commit(run.mirror, description, resolved.commit.sha)
        check_out(run, described=described, with_bake=False)
        hosts = read_hosts(run)
        subject = release or unbuilt_release(policy, resolved)
        plan = plan_of(run, subject, described, hosts)
        gates = ask_gates(session, policy, resolved, subject, described=described, hosts=hosts)
        gates = (*gates, *ask_entry(session, policy, resolved, subject.id))
        gates = (*gates, *ask_data_gate(policy, hosts, subject.id))
        log().info("%s: read, nothing was changed", run_name(Kind.PROMOTE, policy.pipeline, environment))
        close_all()
        return PlanPreview(plan=plan, gates=gates, built=release is not None)
