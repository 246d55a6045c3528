"""Turns stored deliveries into flow runs: one thread, in the order they came, until Prefect has each of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter

from pydantic import ValidationError

from blocks.values.deliveries import DeliveryStatus
from deployments.control_plane.prefect_api import PrefectApi
from deployments.webhook.applications import Application, Applications
from deployments.webhook.backoff import Backoff
from deployments.webhook.metrics import Metrics
from flows.domain.pull_requests.choose import with_tending
from flows.domain.triggers.decide import CHECKS, DeliveryDecision, Known, decide, superseded
from flows.domain.triggers.events import Event
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import SluiceError, TransientError, unexpected
from tasks.ledger.delivery_records import DeliveryRecord, StartRecord
from tasks.ledger.store import Ledger

POLL_SECONDS = 2.0
# GitHub may tell of a push before every one of its servers shows it; a force-push takes commits away for good.
MOST_WAITS = 6
_WAIT = timedelta(seconds=3)
_BATCH = 20
# Between two turns: what comes in a burst is decided together.
_PAUSE_SECONDS = 0.25
# An answer takes some milliseconds; under a load that never ends the runs are started nevertheless.
_NAP_SECONDS = 0.01
_MOST_NAPS = 20

_log = logging.getLogger(__name__)


@dataclass
class Dispatcher:
    """Decides about deliveries and starts what they ask for.

    Every step is written down before and after, and Prefect makes one run of an idempotency key: it may die anywhere
    and go on from the ledger.

    Attributes:
        busy: Says whether a delivery waits for its answer just now; that goes first.
    """

    ledger: Ledger
    applications: Applications
    api: PrefectApi
    metrics: Metrics
    now: Callable[[], datetime] = utc_now
    busy: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        self._backoff = Backoff()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def start(self) -> None:
        """Begin, with what an earlier life left."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something new."""
        self._wake.set()

    def alive(self) -> bool:
        """Say whether it works."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End it after what it is doing."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _give_way(self) -> None:
        """Let answers go first, for a moment: they share the interpreter, and GitHub waits for none for long."""
        for _ in range(_MOST_NAPS):
            if not self.busy() or self._stop.wait(_NAP_SECONDS):
                return

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self.turn()
            except Exception:  # noqa: BLE001 - one bad turn must not be the last
                self.metrics.failures.labels("dispatcher").inc()
                _log.exception("the dispatcher failed; it tries again")
            self._stop.wait(_PAUSE_SECONDS)
            self._wake.wait(POLL_SECONDS)

    def turn(self) -> None:
        """Deal once with everything that is due."""
        away = [one for one in self._backoff.names(self.now()) if isinstance(one, str)]
        waiting = sorted(self.ledger.deliveries.waiting(self.now(), away), key=attrgetter("repository", "id"))
        for repository, rows in groupby(waiting, key=attrgetter("repository")):
            try:
                self._decide_all(repository, list(rows))
            except Exception:  # noqa: BLE001 - another repository's deliveries must not wait for this one's
                self._backoff.close(repository, self.now())
                _log.exception("the deliveries of %s could not be decided; it tries again", repository)
        self._start_all()

    def _decide_all(self, repository: str, rows: list[DeliveryRecord]) -> None:
        application = self._read(repository, rows)
        if application is None:
            return
        for row in rows:
            if self._stop.is_set():
                return
            self._give_way()
            self._decide(row, application)

    def _read(self, repository: str, rows: list[DeliveryRecord]) -> Application | None:
        """Return an application; where it cannot be read its deliveries are told."""
        try:
            application = self.applications.read(repository)
        except TransientError as error:
            self._away(repository, error)
            self.ledger.deliveries.put_off([row.id for row in rows], error.what, None, self.now())
            return None
        except SluiceError as error:
            for row in rows:
                self._failed(row, str(error))
            return None
        self._backoff.open(repository)
        return application

    def _decide(self, row: DeliveryRecord, application: Application) -> None:
        try:
            event = Event.from_json(row.facts)
            known = self._known(row, event, application)
            decision = decide(event, application.rules, known)
            decision = with_tending(decision, event, application.tending, known)
        except ValidationError:
            self._failed(
                row, "the delivery was stored by another version of Sluice: send it again from GitHub"
            )
        except SluiceError:
            raise
        except Exception as error:  # noqa: BLE001 - the others must be decided nevertheless
            _log.exception("delivery %s could not be decided", row.delivery)
            self._failed(row, str(unexpected(error)))
        else:
            self._write_down(row, decision)

    def _write_down(self, row: DeliveryRecord, decision: DeliveryDecision) -> None:
        if decision.outcome != "wait":
            self._decided(row, decision, _STATUSES.get(decision.outcome))
        elif row.attempts < MOST_WAITS:
            until = self.now() + _WAIT * 2**row.attempts
            self.ledger.deliveries.put_off([row.id], decision.reason, until, self.now())
        else:
            self._failed(row, decision.reason)

    def _failed(self, row: DeliveryRecord, reason: str) -> None:
        self._decided(row, DeliveryDecision(outcome="ignore", reason=reason), DeliveryStatus.FAILED)

    def _decided(
        self, row: DeliveryRecord, decision: DeliveryDecision, status: DeliveryStatus | None
    ) -> None:
        branches = {one.branch for one in decision.starts if one.branch}
        rows = self.ledger.starts.pending_of(row.repository, branches) if branches else []
        self.ledger.deliveries.decide(
            row,
            decision.starts,
            decision.reason,
            superseded=superseded([(one.id, one.start) for one in rows], decision.starts),
            status=status,
            now=self.now(),
        )
        _log.info("delivery %s (%s): %s", row.delivery, row.event, decision.reason)

    def _known(self, row: DeliveryRecord, event: Event, application: Application) -> Known:
        deliveries = self.ledger.deliveries
        checks = event.means in CHECKS
        pushes = deliveries.pushes_of(row.repository, event.sha) if checks else []
        merges = deliveries.merges_of(row.repository, event.sha) if checks else []
        request = None
        if event.on_request and event.number is not None:
            request = deliveries.pull_request(row.repository, event.number)
        return Known(
            refs=application.refs,
            has_commit=application.has_commit(event.sha),
            latest=self.ledger.starts.latest_commits(row.repository),
            pushed_by=tuple(map(_event_of, pushes)),
            merged=tuple(one for one in map(_event_of, merges) if one.means == "merge"),
            request=_event_of(request) if request else None,
            again=row.replays > 0,
        )

    def _start_all(self) -> None:
        held = {one for one in self._backoff.names(self.now()) if isinstance(one, tuple)}
        while not self._stop.is_set():
            # In order: what comes later waits for what Prefect has not taken.
            batch = self.ledger.starts.pending(held, _BATCH)
            for one in batch:
                if (one.repository, one.environment) not in held and not self._started(one):
                    held.add((one.repository, one.environment))
            if not batch or self._wake.is_set():
                return

    def _started(self, one: StartRecord) -> bool:
        """Have Prefect make the run. Returns False where it does not answer."""
        self._give_way()
        place = (one.repository, one.environment)
        try:
            run = self._create(one)
        except TransientError as error:
            until = self._away(place, error)
            self.ledger.starts.put_off(one, error.what, until, self.now())
            return False
        except SluiceError as error:
            _log.error("%s was not started: %s", one.key, error)
            self.ledger.starts.failed(one, str(error), self.now())
            return True
        self._backoff.open(place)
        self.ledger.starts.started(one, run, self.now())
        self.metrics.runs.inc()
        _log.info("%s is flow run %s", one.key, run)
        return True

    def _create(self, one: StartRecord) -> str:
        parameters = one.start.parameters(self.applications.source(one.repository))
        tags = [f"delivery:{one.key.partition(':')[0]}"]
        return self.api.create_run(one.start.deployment, parameters, key=one.key, tags=tags)

    def _away(self, what: Hashable, error: TransientError) -> datetime:
        self.metrics.failures.labels("prefect" if isinstance(what, tuple) else "repository").inc()
        until = self._backoff.close(what, self.now())
        _log.warning("%s; the next try is at %s", error, f"{until:%H:%M:%S}")
        return until


def _event_of(row: DeliveryRecord) -> Event:
    return Event.from_json(row.facts)


_STATUSES = {"fold": DeliveryStatus.FOLDED, "ignore": DeliveryStatus.IGNORED}
