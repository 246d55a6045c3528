"""What a change would leave behind in the running release's folder: refused where the policy does not speak of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.plans import GateAnswer
from tasks.host.read import no_manifest
from tasks.kernel.errors import RefusedError
from tasks.kernel.logs import log
from tasks.release_data.commands.data_roles import judge, named

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from blocks.pipeline import Policy
    from blocks.values.facts import HostFacts
    from blocks.values.manifests import Manifest
    from tasks.release_data.commands.data_roles import DataVerdict
    from tasks.steps.run import Run

    Brought = tuple[Mapping[str, str], tuple[str, ...]]


def ask_data_gate(
    policy: Policy,
    hosts: Mapping[str, HostFacts],
    release_id: str,
    after: Callable[[], Brought] | None = None,
) -> tuple[GateAnswer, ...]:
    """Ask whether what the application wrote into its release's folder may be left, before anybody is asked.

    Args:
        after: Gives what its bundle brings, and where its services may write; None where it is not made yet, so that
            what both changed shows later.

    Returns:
        The gate's answer; none where nothing was written there.
    """
    written = {name: facts for name, facts in hosts.items() if _written(facts, release_id)}
    if not written:
        return ()
    brought = after() if after else None
    found = {name: _judged(policy, facts, brought) for name, facts in written.items()}
    refused = _refusals(found)
    lines = refused or _said(found)
    return (GateAnswer(gate="data", passed=not refused, reason="; ".join(lines)),) if lines else ()


def refuse_left(policy: Policy, hosts: Mapping[str, HostFacts], manifests: Mapping[str, Manifest]) -> None:
    """Refuse a change that would leave something behind about which the policy says nothing."""
    found = {
        name: _judged(policy, hosts[name], (manifest.brought, manifest.written or ()))
        for name, manifest in manifests.items()
        if _written(hosts[name], manifest.release.id)
    }
    refused = _refusals(found)
    if refused:
        raise RefusedError(f"{policy.name}: {'; '.join(refused)}", "nothing was touched; then start again")
    for line in _said(found):
        log().info("data: %s", line)


def refuse_written(run: Run, hosts: Mapping[str, HostFacts], manifests: Mapping[str, Manifest]) -> None:
    """Look once more right before the switch: the application went on writing."""
    names = [name for name, facts in hosts.items() if facts.data is not None and facts.data.mounts]
    refuse_left(run.policy, {name: _again(run, name, hosts[name]) for name in names}, _only(manifests, names))


def release_with_data(facts: HostFacts) -> Manifest | None:
    """Return the release that runs where its data goes along; None where nobody writes into the folder of a release."""
    return facts.manifest if facts.data is not None and facts.data.mounts else None


def _again(run: Run, name: str, facts: HostFacts) -> HostFacts:
    now = run.target(name).read_facts()
    if now.manifest is None:
        raise no_manifest(run.directories[name], name)
    return facts.model_copy(update={"manifest": now.manifest, "data": now.data})


def _only(manifests: Mapping[str, Manifest], names: list[str]) -> dict[str, Manifest]:
    return {name: manifest for name, manifest in manifests.items() if name in names}


def _written(facts: HostFacts, release_id: str) -> bool:
    """Say whether something was written that another release's folder would not have."""
    data, running = facts.data, facts.manifest
    if data is None or running is None or data.release_id != running.release.id:
        return False
    return (
        bool(data.differs or data.elsewhere or data.beside or data.shared)
        and running.release.id != release_id
    )


def _judged(policy: Policy, facts: HostFacts, after: Brought | None) -> DataVerdict:
    if facts.data is None or facts.manifest is None:
        raise RuntimeError("unknown files were judged")
    before = facts.manifest.brought
    coming, written = (before, ()) if after is None else after
    return judge(facts.data, policy.data, before, coming, written=written)


def _refusals(found: Mapping[str, DataVerdict]) -> list[str]:
    return [f"{name}: {line}" for name, verdict in found.items() for line in verdict.refused]


def _said(found: Mapping[str, DataVerdict]) -> list[str]:
    lines = []
    for name, verdict in found.items():
        if verdict.carried or verdict.deleted:
            lines.append(
                f"{name}: carried into the next release: {named((*verdict.carried, *verdict.deleted))}"
            )
        if verdict.left:
            lines.append(f"{name}: left behind on purpose: {named(verdict.left)}")
    return lines
