"""A look at an environment's hosts, one by one: a host that does not answer hides none of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.kernel.errors import SluiceError, TransientError
from tasks.steps.step import log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.pipeline import Policy
    from flows.core.session import Session
    from tasks.steps.run import Run


def look_at(session: Session, policy: Policy) -> tuple[dict[str, Run], dict[str, str]]:
    """Reach every host of an environment.

    Returns:
        Host → a `Run` of that host alone, which changes nothing, for those that answer; and host → what is wrong
        with it, for the others.
    """
    looks: dict[str, Run] = {}
    amiss: dict[str, str] = {}
    for number, host in enumerate(policy.hosts):
        # The first host keeps the database.
        alone = policy.model_copy(update={"hosts": (host,), **({"backup": None} if number else {})})
        try:
            looks[host] = _reached(session, alone)
        except SluiceError as error:
            log().warning("%s: %s", host, error)
            amiss[host] = error.what
    return looks, amiss


def _reached(session: Session, policy: Policy) -> Run:
    """Reach one host; where that fails in passing it is tried once more."""
    description = session.pipeline.describe(policy.name)
    try:
        return session.run(0, policy, description)
    except TransientError:
        return session.run(0, policy, description)


def current_releases(looks: Mapping[str, Run]) -> dict[str, str | None]:
    """Return which release each host says is current."""
    found: dict[str, str | None] = {}
    for name, run in looks.items():
        manifest = run.target(name).read_manifest()
        found[name] = manifest.release.id if manifest else None
    return found
