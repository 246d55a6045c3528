"""What `reconcile` found on the hosts, and what a person can do about it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from deployments.control_plane.connect import open_ledger
from deployments.doctor.findings import Check, Finding, ok, warn
from deployments.reports.views import standing_drift
from flows.domain.rules.view import GITHUB

if TYPE_CHECKING:
    from blocks.settings import Settings
    from deployments.doctor.application import ApplicationFacts
    from tasks.ledger.store import Ledger

_KEPT = "every rule the pipeline asks for was in force at the last check"


def drift_checks(settings: Settings, application: ApplicationFacts) -> list[Check]:
    """Return the checks of what stands in the ledger about the hosts."""
    return [Check("drift", partial(_drift, settings, application))]


def _drift(settings: Settings, application: ApplicationFacts) -> Iterator[Finding]:
    with open_ledger(settings) as ledger:
        for policy in application.policies:
            yield from _of_place(ledger, policy.pipeline, policy.name, "no differences from the ledger")
        if application.pipeline.protect.branches or application.pipeline.protect.environments:
            yield from _of_place(ledger, application.pipeline.pipeline, GITHUB, _KEPT)


def _of_place(ledger: Ledger, pipeline: str, place: str, fine: str) -> Iterator[Finding]:
    where = f"drift {place}"
    standing = standing_drift(ledger, pipeline, place)
    if not standing:
        yield ok(where, fine)
    for one in standing:
        host = f"{one.host}: " if one.host else ""
        since = f"since {one.since:%Y-%m-%d %H:%M} UTC"
        yield warn(where, f"{host}{one.kind} {one.subject} {one.detail} ({since})", one.mend)
