"""Going back without Prefect's server and without the ledger: what the hosts remember is enough.

Nothing here imports Prefect: it is run by a command, at a time when seconds count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from blocks.pipeline import CommandCheck
from blocks.values.facts import HostFacts
from flows.domain.rollback.offline import OfflinePlan, look_ahead
from flows.promotion.release_data import refuse_left
from tasks.adapters.local import LocalRunner
from tasks.adapters.pool import host_for
from tasks.database.schema import read_applied
from tasks.kernel.errors import RefusedError, TerminalError
from tasks.kernel.protocols import Fence
from tasks.kernel.redact import process_redactor
from tasks.release_data.read import read_data
from tasks.steps.site import Site

if TYPE_CHECKING:
    from blocks.pipeline.smoke import Check
    from blocks.rescue import Rescue
    from blocks.values.manifests import Manifest
    from blocks.values.offline import HostMemory

T = TypeVar("T")


@dataclass(kw_only=True)
class OfflineSite(Site):
    """An environment as a rescue file describes it.

    Attributes:
        secrets: Secret block → value.
        token: The fencing token it acts with; 0 as long as nothing may be changed.
    """

    secrets: Mapping[str, str] = field(repr=False)
    token: int = 0

    def fence(self, host: str) -> Fence:
        """Return the proof that this rollback may change a host."""
        if not self.token:
            raise RuntimeError("a change was requested before the fence was raised")
        return Fence(directory=self.directories[host], token=self.token)

    def secret(self, block: str) -> str:
        """Return the value of a Secret block as the rescue file has it; it is redacted from now on."""
        if block not in self.secrets:
            raise TerminalError(
                f"the rescue file has no value of secret/{block}", "promote once, so that it is written again"
            )
        process_redactor().add(self.secrets[block])
        return self.secrets[block]


@dataclass(frozen=True)
class OfflineRequest:
    """What a person asked for.

    Attributes:
        release: A release id, or the first digits of its commit; empty for the last good one.
        who: Who asks, `login@machine`.
        insist: True where the person answers for what nothing proves.
        left_out: Hosts that are left alone, because they are gone.
    """

    release: str
    who: str
    reason: str = ""
    insist: bool = False
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class PreparedRollback:
    """A rollback that could begin: everything is known, nothing is touched.

    Attributes:
        facts: Host name → what runs there, and the data that its application wrote into its release's folder.
    """

    site: OfflineSite
    asked: OfflineRequest
    plan: OfflinePlan
    memories: Mapping[str, HostMemory]
    warnings: tuple[str, ...]
    facts: Mapping[str, HostFacts] = field(default_factory=dict)

    @property
    def target(self) -> Manifest:
        """The release that shall run, as the host with the database remembers it."""
        if self.plan.target is None:
            raise RuntimeError("a rollback without target was prepared")
        return self.plan.target

    @property
    def left_id(self) -> str | None:
        """The release that is left."""
        return self.plan.left.release.id if self.plan.left else None


def prepare_rollback(rescue: Rescue, asked: OfflineRequest) -> PreparedRollback:
    """Read the hosts and decide. Nothing is touched."""
    site = site_of(rescue, asked.left_out)
    with ThreadPoolExecutor(max_workers=8) as pool:
        applied = pool.submit(read_applied, site, site.hosts[site.primary]) if rescue.migrates else None
        memories = _on_each(pool, site, lambda name: site.target(name).read_memory())
        plan = look_ahead(
            asked.release,
            memories[site.primary],
            environment=site.environment,
            migrates=rescue.migrates,
            revision=applied.result() if applied else None,
            insist=asked.insist,
        )
        if plan.target is None:
            raise RefusedError(f"rollback of {site.environment}: {plan.refused}", "nothing was touched")
        _check_hosts(pool, site, plan.target, memories)
        facts = _on_each(pool, site, lambda name: _read_facts(site, name, memories[name]))
        coming = {name: memories[name].manifests[plan.target.release.id] for name in site.hosts}
        refuse_left(site.policy, facts, coming)
    warnings = (*plan.warnings, *left_out_of(rescue, site))
    return PreparedRollback(site, asked, plan, memories, warnings, facts)


def site_of(rescue: Rescue, left_out: tuple[str, ...]) -> OfflineSite:
    """Return the environment as a rescue file describes it; its hosts are not reached yet."""
    names = [host.name for host in rescue.hosts]
    unknown = sorted(set(left_out) - set(names))
    kept = [host for host in rescue.hosts if host.name not in left_out]
    if unknown or not kept:
        what = f"{unknown[0]} is no host" if unknown else "no host is left"
        raise TerminalError(f"{what} of {rescue.environment}", f"its hosts are {', '.join(names)}")
    smoke = tuple(check for check in rescue.policy.smoke if not _needs_checkout(check))
    return OfflineSite(
        pipeline=rescue.pipeline,
        policy=rescue.policy.model_copy(update={"smoke": smoke}),
        hosts={host.name: host_for(host, host.name) for host in kept},
        directories={host.name: host.app_directory for host in kept},
        local=LocalRunner(),
        secrets=rescue.secrets,
    )


def _needs_checkout(check: Check) -> bool:
    """Say whether a check is a command of the commit's checkout on the control machine: there is none now."""
    return isinstance(check, CommandCheck) and check.service is None


def left_out_of(rescue: Rescue, site: OfflineSite) -> tuple[str, ...]:
    """Say what of the rescue file is not part of the site: checks that need a checkout, hosts left alone."""
    found = [
        f"smoke check skipped, it needs a checkout of the commit: {' '.join(check.command)}"
        for check in rescue.policy.smoke
        if isinstance(check, CommandCheck) and check.service is None
    ]
    if not site.policy.smoke:
        found.append("no smoke check can be run: look at the application yourself")
    return (*found, *(f"host left out: {name.name}" for name in rescue.hosts if name.name not in site.hosts))


def _check_hosts(
    pool: Executor, site: OfflineSite, target: Manifest, memories: Mapping[str, HostMemory]
) -> None:
    """Refuse where a host no longer has what it takes: the bundle, the images."""
    release = target.release.id
    lacking = [name for name in site.hosts if release not in memories[name].manifests]
    if lacking:
        raise RefusedError(
            f"{', '.join(lacking)} no longer has the bundle of {release}",
            f"name another release, or skip the host: --without {lacking[0]}",
        )
    missing = _on_each(
        pool, site, lambda name: site.target(name).read_missing(memories[name].manifests[release])
    )
    for name, images in missing.items():
        if images:
            raise RefusedError(
                f"{name} no longer has {', '.join(images)} of {release}", "name another release: --release"
            )


def _read_facts(site: OfflineSite, host: str, memory: HostMemory) -> HostFacts:
    """Read what runs, and what the application wrote into the folder of the release that is current."""
    manifest = memory.manifests.get(memory.current or "")
    app = site.app(host)
    containers = app.containers()
    data = manifest and read_data(app, manifest, containers)
    return HostFacts(host=host, manifest=manifest, env_file=None, containers=containers, data=data)


def _on_each(pool: Executor, site: OfflineSite, read: Callable[[str], T]) -> dict[str, T]:
    futures = {name: pool.submit(read, name) for name in site.hosts}
    wait(futures.values())
    return {name: future.result() for name, future in futures.items()}
