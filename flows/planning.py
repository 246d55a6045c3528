"""What a promotion would change: facts are read, the plan is put together, nothing is touched."""

from __future__ import annotations

import statistics
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefect import flow
from prefect.futures import wait

from blocks.values.lifecycle import Kind
from blocks.values.releases import Release
from flows.describing import describe_commit
from flows.domain.approvals import policy_of
from flows.domain.compose import service_targets
from flows.domain.gates import GateFacts, Hold, HostKeys, PromotionFact, evaluate, same_release
from flows.domain.naming import release_id, run_name
from flows.domain.plan import PlanFacts, make_plan
from flows.domain.refs import RefFacts, RefPolicy
from flows.session import Session, open_session
from tasks.adapters.pool import close_all
from tasks.adapters.redact import process_redactor
from tasks.errors import RefusedError, TerminalError, TransientError
from tasks.facts import read_host
from tasks.resolve import resolve
from tasks.run import Run, utc_now
from tasks.sources import Described, Sources, check_out
from tasks.step import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from blocks.pipeline import Policy
    from blocks.values.facts import HostFacts
    from blocks.values.plans import GateAnswer, Plan
    from blocks.values.releases import Commit, Revision
    from blocks.values.resolved import Resolved


def resolve_request(session: Session, policy: Policy, ref: str) -> Resolved:
    """Find the commit that was asked for.

    Args:
        session: The flow's session.
        policy: The environment's policy.
        ref: A branch, tag, commit or release; empty for what the environment takes by default: the head of
            its branch, or the release that is proven in the environment before it.

    Returns:
        The commit.

    Raises:
        RefusedError: Nothing was named, and the environment has no default.
        TerminalError: There is no such ref.
    """
    wanted = ref.strip() or _default_ref(session, policy)
    by_release = session.ledger.releases.get(wanted)
    return resolve(
        session.mirror,
        ref=by_release.commit.sha if by_release else wanted,
        path=session.repository.pipeline_path,
        policy_text=session.policy_text,
    )


def _default_ref(session: Session, policy: Policy) -> str:
    if policy.branch is not None:
        return policy.branch
    if policy.proven_in is None:
        raise RefusedError(
            f"no ref was given, and {policy.name} has no branch of its own",
            f"name a ref, or set environments.{policy.name}.branch in pipeline.yaml",
        )
    proven = session.ledger.promotions.running(policy.pipeline, policy.proven_in)
    if proven is None or proven.release_id is None:
        raise RefusedError(
            f"no ref was given, and nothing runs in {policy.proven_in} that could go on to {policy.name}",
            f"promote a release to {policy.proven_in} first, or name a ref",
        )
    return proven.release_id


def known_release(session: Session, policy: Policy, resolved: Resolved) -> Release | None:
    """Return the release of a commit, None where it was not built yet."""
    return session.ledger.releases.of_commit(policy.pipeline, resolved.commit.sha)


def unbuilt_release(policy: Policy, resolved: Resolved) -> Release:
    """Return what is known of a release before its images are built."""
    return Release(
        id=release_id(resolved.commit),
        pipeline=policy.pipeline,
        commit=resolved.commit,
        images=(),
        bundle_checksum=resolved.tree,
        created_at=utc_now(),
    )


def ask_gates(
    session: Session,
    policy: Policy,
    resolved: Resolved,
    release: Release,
    *,
    described: Described | None = None,
    hosts: Mapping[str, HostFacts] | None = None,
) -> tuple[GateAnswer, ...]:
    """Ask every gate that can be asked with what is known.

    Args:
        session: The flow's session.
        policy: The environment's policy.
        resolved: The commit.
        release: Its release.
        described: How the commit describes itself; without it, keys are not asked about.
        hosts: What the hosts hold; without it, keys are not asked about.

    Returns:
        The answers.
    """
    ledger, pipeline = session.ledger, policy.pipeline
    proven = ledger.promotions.proven(pipeline, policy.proven_in, release.id) if policy.proven_in else None
    places = [policy.name, *([policy.proven_in] if policy.proven_in else [])]
    holds = [hold for place in places for hold in ledger.holds.active(pipeline, place)]
    refs = RefPolicy(branches=policy.branches, tags=policy.tags)
    return evaluate(
        GateFacts(
            environment=policy.name,
            release=release,
            ref=RefFacts(
                kind=resolved.kind,
                name=resolved.name,
                sha=resolved.commit.sha,
                tags_at_commit=resolved.tags_at_commit,
                branches_containing=resolved.branches_containing,
            ),
            refs=refs if policy.branches or policy.tags else None,
            proven_in=policy.proven_in,
            promotions=()
            if proven is None
            else (
                PromotionFact(
                    environment=proven.environment,
                    status=proven.status,
                    release_id=release.id,
                    digests=release.digests,
                ),
            ),
            holds=tuple(
                Hold(environment=hold.environment, release_id=hold.release_id, reason=hold.reason)
                for hold in holds
            ),
            required_keys=described.required if described else (),
            host_keys=_host_keys(policy, described, hosts or {}),
        )
    )


def _host_keys(
    policy: Policy, described: Described | None, hosts: Mapping[str, HostFacts]
) -> tuple[HostKeys, ...]:
    if described is None or not (described.required or described.env_files):
        return ()
    return tuple(
        HostKeys(
            host=facts.host,
            env_file=facts.env_file or policy.env_files[0],
            present=frozenset(facts.env_keys) if facts.env_file else None,
        )
        for facts in hosts.values()
    )


def read_hosts(run: Run) -> dict[str, HostFacts]:
    """Read the facts of every host, side by side."""
    with reading_hosts(run) as facts:
        return facts()


@contextmanager
def reading_hosts(run: Run) -> Iterator[Callable[[], dict[str, HostFacts]]]:
    """Read the facts of every host, side by side, while something else is done.

    Args:
        run: The promotion.

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

    Args:
        run: The promotion.
        hosts: The hosts' facts.

    Returns:
        The release on the first host, None where nothing runs.
    """
    manifest = hosts[run.primary].manifest
    row = run.ledger.promotions.running(run.pipeline, run.environment)
    there = manifest.release.id if manifest else None
    if row is not None and row.release_id != there:
        log().warning(
            "drift: the ledger says %s runs in %s, its host says %s; the host is believed",
            row.release_id,
            run.environment,
            there or "nothing",
        )
    return manifest.release if manifest else None


def plan_of(
    run: Run,
    release: Release,
    described: Described,
    hosts: Mapping[str, HostFacts],
    *,
    migrates: bool = True,
) -> Plan:
    """Put the plan together.

    Args:
        run: The promotion.
        release: The release that would run.
        described: How its commit describes itself.
        hosts: The hosts' facts.
        migrates: False for a rollback.

    Returns:
        The plan.

    Raises:
        RefusedError: The database stands where this release's migrations cannot go on from.
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
            backup=migrates_or_backs_up(run, primary),
            policy=policy_of(run.policy.approvals),
            policy_checksum=run.policy.checksum,
            expected_seconds=statistics.median(durations) if durations else None,
            database_bytes=primary.database_bytes,
            known=known_revisions(run),
        )
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


def describe_running(run: Run, running: Release | None) -> Described | None:
    """Describe the running release's commit, None where nothing runs or git no longer has it."""
    if running is None:
        return None
    try:
        return describe_commit(run.mirror, run.description, running.commit.sha)
    except (TerminalError, TransientError):
        return None


def is_running(hosts: Mapping[str, HostFacts], release: Release, services: Mapping[str, str | None]) -> bool:
    """Say whether a release runs already, on every host, from the images it should.

    Args:
        hosts: The hosts' facts.
        release: The release.
        services: Service → the image reference it must run, None where any will do.

    Returns:
        True when nothing would change.
    """
    return all(_runs_on(facts, release, services) for facts in hosts.values())


def _runs_on(facts: HostFacts, release: Release, services: Mapping[str, str | None]) -> bool:
    if facts.manifest is None or not same_release(facts.manifest.release, release):
        return False
    well = {
        container.service: container.image
        for container in facts.containers
        if container.status == "running" and container.health in {"", "healthy"}
    }
    done = {c.service for c in facts.containers if c.status == "exited" and c.exit_code == 0}
    return all(
        (name in well and (image is None or well[name] == image)) or (name in done and name not in well)
        for name, image in services.items()
    )


def expected_images(release: Release, sources: Sources) -> dict[str, str | None]:
    """Return each service's expected image: by digest for ours, any for others."""
    ours = {service: image.reference for image in release.images for service in image.services}
    # A service may share an image by name in one environment's compose files only.
    targets = service_targets(sources.config, {s: i.target for i in release.images for s in i.services})
    by_target = {image.target: image.reference for image in release.images}
    ours |= {service: by_target[target] for service, target in targets.items()}
    return {service: ours.get(service) for service in sources.config.get("services", {})}


@dataclass(frozen=True)
class PlanPreview:
    """A plan that was only looked at.

    Attributes:
        plan: What would change.
        gates: What the gates say.
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
        description = session.describe(environment, resolved.release_text)
        run = session.run(0, policy, description)
        release = known_release(session, policy, resolved)
        described = describe_commit(run.mirror, description, resolved.commit.sha)
        check_out(run, described=described, with_bake=False)
        hosts = read_hosts(run)
        subject = release or unbuilt_release(policy, resolved)
        plan = plan_of(run, subject, described, hosts)
        gates = ask_gates(session, policy, resolved, subject, described=described, hosts=hosts)
        log().info("%s: read, nothing was changed", run_name(Kind.PROMOTE, policy.pipeline, environment))
        close_all()
        return PlanPreview(plan=plan, gates=gates, built=release is not None)
