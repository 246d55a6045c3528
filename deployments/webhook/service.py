"""The receiver's process: application, dispatcher, and what is looked at from time to time."""

from __future__ import annotations

import gc
import logging
import sys
import threading
import time

import uvicorn
from tenacity import RetryCallState, retry, retry_if_exception_type, wait_fixed

from blocks.settings import Settings
from deployments.control_plane.connect import api_at, find_api_url, ledger_url_at
from deployments.control_plane.prefect_api import PrefectApi
from deployments.webhook.app import Receiver, create_app
from deployments.webhook.applications import Applications, Blocks
from deployments.webhook.dispatcher import Dispatcher
from deployments.webhook.intake import Intake
from deployments.webhook.metrics import Metrics
from deployments.webhook.missed import MissedPushes
from tasks.kernel.errors import SluiceError, TransientError
from tasks.ledger.store import Ledger

CONFIGURATION_SECONDS = 15.0
WATCH_SECONDS = 300.0
_UNREAD_SECONDS = 1.0
_KEEP_ALIVE_SECONDS = 5
# Connections at one time; GitHub opens one for each delivery.
_MOST_CONNECTIONS = 1000
# How long a thread that computes keeps the interpreter while another waits for it. The usual 5 ms, some times in a row,
# are what an answer takes.
_SWITCH_SECONDS = 0.0005

_log = logging.getLogger(__name__)


class Service:
    """Everything of the receiver but its socket."""

    def __init__(self, settings: Settings, ledger: Ledger, api: PrefectApi) -> None:
        self.ledger = ledger
        self.metrics = Metrics(ledger)
        self.blocks = Blocks(api)
        applications = Applications(settings, self.blocks)
        self.dispatcher = Dispatcher(
            ledger, applications, api, self.metrics, busy=lambda: self.receiver.intake.busy
        )
        self.watch = MissedPushes(ledger, applications, self.dispatcher.wake)
        self.receiver = Receiver(
            configuration=lambda: self.blocks.webhooks,
            intake=Intake(ledger, self.dispatcher.wake),
            metrics=self.metrics,
            ailing=self.ailing,
        )
        self._stop = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def start(self) -> None:
        """Begin; what an earlier life left is taken up."""
        self._refresh()
        self.dispatcher.start()
        self._keeper.start()

    def stop(self) -> None:
        """End, after what is being done."""
        self._stop.set()
        self.receiver.intake.close()
        self.dispatcher.stop()
        self._keeper.join()

    def ailing(self) -> str:
        """Say what is wrong in one line, empty when all is well."""
        if self.blocks.webhooks is None:
            return "the block github-webhooks/default could not be read"
        if not self.dispatcher.alive():
            return "the dispatcher ended"
        try:
            self.ledger.deliveries.get("")
        except SluiceError as error:
            return error.what
        return ""

    def _keep(self) -> None:
        watched = time.monotonic()
        while not self._stop.wait(CONFIGURATION_SECONDS if self.blocks.webhooks else _UNREAD_SECONDS):
            self._refresh()
            if time.monotonic() - watched >= WATCH_SECONDS:
                watched = time.monotonic()
                self._look()

    def _look(self) -> None:
        try:
            self.watch.look()
        except Exception:  # noqa: BLE001 - one bad look must not be the last
            _log.exception("the check for missed deliveries failed; the next is in %.0f s", WATCH_SECONDS)

    def _refresh(self) -> None:
        try:
            self.blocks.read_webhooks()
        except SluiceError as error:
            # What was read last counts on: a server that is away must not lose deliveries.
            _log.warning("%s", error)
        else:
            self.dispatcher.wake()


def serve(settings: Settings) -> None:
    """Receive deliveries until SIGTERM or Ctrl-C."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    api, ledger = _opened(settings)
    with ledger:
        service = Service(settings, ledger, api)
        config = uvicorn.Config(
            create_app(service.receiver),
            host=settings.webhook_host,
            port=settings.webhook_port,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=10,
        )
        # What was imported stays; looking through it for garbage would stop every answer for a fifth of a second.
        gc.collect()
        gc.freeze()
        service.start()
        _log.info("listening on %s:%d", settings.webhook_host, settings.webhook_port)
        try:
            uvicorn.Server(config).run()
        finally:
            service.stop()


def _say_why(state: RetryCallState) -> None:
    _log.warning("%s", state.outcome and state.outcome.exception())


@retry(retry=retry_if_exception_type(TransientError), wait=wait_fixed(_UNREAD_SECONDS), before_sleep=_say_why)
def _opened(settings: Settings) -> tuple[PrefectApi, Ledger]:
    """Open the ledger, waiting for Prefect's server where only that knows which it is."""
    url = find_api_url(settings)
    if url is None:
        raise TransientError("no Prefect server is known here", "start one with `sluice up`")
    api = api_at(settings, url, tries=1)
    # Without Prefect's word no address is guessed: deliveries would lie where nobody looks.
    return api, Ledger.open(settings.ledger_url or ledger_url_at(api, settings))
