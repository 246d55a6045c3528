"""What was asked for, and whether the gates let it in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.releases import Release
from flows.domain.database.schema_gate import SchemaGateFacts, schema_may_change
from flows.domain.gates.gates import GateFacts, HeldRelease, HostKeys, PromotionFact, evaluate
from flows.domain.words.names import release_id
from flows.domain.words.refs import RefFacts, RefPolicy
from tasks.images.resolve import resolve
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.pipeline import Policy
    from blocks.values.facts import HostFacts
    from blocks.values.plans import GateAnswer, Plan
    from blocks.values.resolved import Resolved
    from flows.core.session import Session
    from tasks.images.sources import DescribedCommit
    from tasks.steps.run import Run


def resolve_request(session: Session, policy: Policy, ref: str) -> Resolved:
    """Find the commit that was asked for.

    Args:
        ref: A branch, tag, commit or release; empty for what the environment takes by default: the head of
            its branch, or the release that is proven in the environment before it.
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
            f"no ref was given, and nothing runs in {policy.proven_in} that could be promoted to {policy.name}",
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


def ref_facts(resolved: Resolved) -> RefFacts:
    """Return what git says about what was asked for, as gates see it."""
    return RefFacts(
        kind=resolved.kind,
        name=resolved.name,
        sha=resolved.commit.sha,
        tags_at_commit=resolved.tags_at_commit,
        branches_containing=resolved.branches_containing,
    )


def ask_gates(
    session: Session,
    policy: Policy,
    resolved: Resolved,
    release: Release,
    *,
    described: DescribedCommit | None = None,
    hosts: Mapping[str, HostFacts] | None = None,
) -> tuple[GateAnswer, ...]:
    """Ask every gate that can be asked with what is known.

    Args:
        described: How the commit describes itself; without it, keys are not asked about.
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
            ref=ref_facts(resolved),
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
                HeldRelease(environment=hold.environment, release_id=hold.release_id, reason=hold.reason)
                for hold in holds
            ),
            required_keys=described.required if described else (),
            host_keys=_host_keys(policy, described, hosts or {}),
        )
    )


def _host_keys(
    policy: Policy, described: DescribedCommit | None, hosts: Mapping[str, HostFacts]
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


def ask_schema_gate(run: Run, plan: Plan) -> tuple[GateAnswer, ...]:
    """Ask whether the plan's migrations may come together with the switch."""
    if not plan.verdicts and plan.rehearsal is None:
        return ()
    last = run.ledger.promotions.running(run.pipeline, run.environment)
    known = last is not None and last.release_id == plan.running_release_id
    approvals = run.policy.approvals
    return (
        schema_may_change(
            SchemaGateFacts(
                environment=run.environment,
                rules=run.policy.database,
                verdicts=plan.verdicts,
                rehearsal=plan.rehearsal,
                runs_now=plan.running_release_id is not None,
                running_since=last.ended_at if known and last is not None else None,
                override=plan.override,
                approvers=len(approvals.approvers) if approvals is not None else 0,
                now=utc_now(),
            )
        ),
    )
