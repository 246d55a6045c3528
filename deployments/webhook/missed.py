"""Finds what GitHub failed to deliver, which it does not send again by itself."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from blocks.values.deliveries import Arrived
from deployments.webhook.applications import Application, Applications
from flows.domain.triggers.missed import missed, missed_arrival, unheard_of
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import SluiceError
from tasks.ledger.store import Ledger

BASELINE = "baseline"

_log = logging.getLogger(__name__)


@dataclass
class MissedPushes:
    """Compares where branches and tags are with where deliveries say they are.

    What was there before Sluice began to listen is no news: the first look at a repository only writes it down.

    Attributes:
        found: Is called when something was missed.
    """

    ledger: Ledger
    applications: Applications
    found: Callable[[], None]
    now: Callable[[], datetime] = utc_now

    def __post_init__(self) -> None:
        self._before: dict[str, dict[str, str]] = {}

    def look(self) -> None:
        """Look once at every repository; what was missed is stored as a delivery, once."""
        for repository in self.applications.names():
            try:
                self._look_at(self.applications.read(repository))
            except SluiceError as error:
                _log.warning("whether deliveries of %s were missed is not known: %s", repository, error)

    def _look_at(self, application: Application) -> None:
        name = application.repository
        baseline = self.ledger.deliveries.get(_baseline_id(name))
        if baseline is None:
            self.ledger.deliveries.take_in([_baseline(application)], self.now())
            return
        known = json.loads(baseline.facts) | self.ledger.deliveries.known_refs(name)
        unheard = unheard_of(application.refs, known, application.rules, application.tending.opened)
        for ref, sha in missed(unheard, self._before.get(name, {})).items():
            if self.ledger.deliveries.take_in([missed_arrival(name, ref, sha)], self.now()) == ["stored"]:
                _log.warning("GitHub delivered nothing about %s of %s at %s", ref, name, sha[:7])
                self.found()
        self._before[name] = unheard


def _baseline_id(repository: str) -> str:
    return f"{BASELINE}-{hashlib.sha256(repository.encode()).hexdigest()[:32]}"


def _baseline(application: Application) -> Arrived:
    refs = json.dumps(application.refs, sort_keys=True)
    return Arrived(
        delivery=_baseline_id(application.repository),
        event=BASELINE,
        repository=application.repository,
        digest=hashlib.sha256(f"{application.repository}\0{refs}".encode()).hexdigest(),
        facts=refs,
        refusal=f"{len(application.refs)} branches and tags existed when Sluice began to listen",
    )
