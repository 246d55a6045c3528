"""The gates a release must pass before it may enter an environment. All are asked, always."""

from __future__ import annotations

from collections.abc import Sequence

from blocks.values.base import Value
from blocks.values.lifecycle import Status
from blocks.values.plans import GateAnswer
from blocks.values.releases import Release
from flows.domain.gates.answer import closed, opened
from flows.domain.words.refs import RefFacts, RefPolicy, ref_allowed
from flows.domain.words.text import one_line
from tasks.kernel.errors import RefusedError

_PROVEN = frozenset({Status.SUCCEEDED, Status.UNCHANGED})


class PromotionFact(Value):
    """One earlier promotion, as far as gates need it."""

    environment: str
    status: Status
    release_id: str
    digests: dict[str, str]


class HeldRelease(Value):
    """A release that was taken back somewhere and may not return until a person says so."""

    environment: str
    release_id: str
    reason: str = ""


class HostKeys(Value):
    """The names of the keys in a host's env file; never values.

    Attributes:
        present: Its keys, None where there is no such file.
    """

    host: str
    env_file: str
    present: frozenset[str] | None


class GateFacts(Value):
    """Everything the gates look at.

    Attributes:
        refs: What is allowed there; None where refs do not matter (a rollback).
        required_keys: Keys the release requires; empty where keys do not matter.
    """

    environment: str
    release: Release
    ref: RefFacts
    refs: RefPolicy | None
    proven_in: str | None = None
    promotions: tuple[PromotionFact, ...] = ()
    holds: tuple[HeldRelease, ...] = ()
    required_keys: tuple[str, ...] = ()
    host_keys: tuple[HostKeys, ...] = ()


def evaluate(facts: GateFacts) -> tuple[GateAnswer, ...]:
    """Ask every gate, also after one has said no, so that a person sees all that is wrong at once."""
    answers = [ref_allowed(facts.ref, facts.environment, facts.refs)] if facts.refs is not None else []
    if facts.proven_in is not None:
        answers.append(proven_upstream(facts, facts.proven_in))
    answers.append(not_held(facts))
    answers.extend(keys_complete(facts.required_keys, host) for host in facts.host_keys)
    return tuple(answers)


def refusal(answers: Sequence[GateAnswer], environment: str) -> RefusedError | None:
    """Return the error of a closed gate."""
    shut = [answer.reason for answer in answers if not answer.passed]
    if not shut:
        return None
    return RefusedError(f"{environment} is closed for this release: {'; '.join(shut)}", "nothing was touched")


def proven_upstream(facts: GateFacts, upstream: str) -> GateAnswer:
    """Say whether the same digests have run, smoked, in the environment before, and were not taken back."""
    release = facts.release
    held = _hold(facts.holds, upstream, release.id)
    if held is not None:
        return closed("proven", f"{release.id} was rolled back in {upstream}: {one_line(held.reason)}")
    if any(_proves(promotion, release, upstream) for promotion in facts.promotions):
        return opened("proven", f"the same images ran in {upstream}")
    return closed(
        "proven", f"{release.id} has not succeeded in {upstream} with these images: promote it there first"
    )


def not_held(facts: GateFacts) -> GateAnswer:
    """Say whether the release is held back in the environment."""
    hold = _hold(facts.holds, facts.environment, facts.release.id)
    if hold is None:
        return opened("hold", f"{facts.release.id} is not on hold")
    reason = one_line(hold.reason) or "it was rolled back"
    return closed(
        "hold",
        f"{facts.release.id} is on hold in {facts.environment} ({reason}): "
        f"`sluice unhold {facts.environment} --reason …` removes the hold",
    )


def keys_complete(required: Sequence[str], host: HostKeys) -> GateAnswer:
    """Say whether a host's env file has all keys the release requires.

    Returns:
        The gate's answer; it names keys, never values.
    """
    where = f"{one_line(host.env_file)} on {host.host}"
    if host.present is None:
        return closed("keys", f"{where} is missing: create it there")
    missing = sorted(set(required) - host.present)
    if missing:
        named = ", ".join(one_line(key) for key in missing)
        return closed("keys", f"{where} lacks {named}: add them")
    return opened("keys", f"{where} has all {len(set(required))} required keys")


def same_release(running: Release | None, release: Release) -> bool:
    """Say whether a release is the one that runs, so that nothing would change."""
    return running is not None and _content(running) == _content(release)


def _content(release: Release) -> tuple[object, ...]:
    return (release.id, release.commit.sha, release.digests, release.third_party, release.bundle_checksum)


def _proves(promotion: PromotionFact, release: Release, upstream: str) -> bool:
    if promotion.environment != upstream or promotion.status not in _PROVEN:
        return False
    # A release without images of its own is proven by its name: no digests are equal to any other none.
    return promotion.digests == release.digests and (
        bool(release.digests) or promotion.release_id == release.id
    )


def _hold(holds: Sequence[HeldRelease], environment: str, release_id: str) -> HeldRelease | None:
    return next((h for h in holds if h.environment == environment and h.release_id == release_id), None)
