"""The lab with the example application on it: blocks, approvers, env files, and people's moves."""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pyotp
from pydantic import SecretStr

from blocks.approver import Approver
from blocks.compose_host import ComposeHost
from blocks.git_repository import GitRepository
from blocks.ledger_database import LedgerDatabase
from blocks.registry import ContainerRegistry
from blocks.webhook_channel import WebhookChannel
from deployments.control_plane.parts import port_is_free
from tasks.ledger.connect import BLOCK
from tasks.ledger.records import PromotionRecord
from tasks.ledger.store import Ledger
from tests.lab.control import drain_events, ending_at_once
from tests.lab.lab import Lab
from tests.lab.plane import LabPlane
from tests.lab.prefect_database import lay_database
from tests.lab.server import Server
from tests.lab.shop_repository import ShopRepository, env_text

APPROVERS = {"ana": ("Ana Approver", "ana@example.com"), "ben": ("Ben Boss", "ben@example.com")}
CODE_PERIOD_SECONDS = 30
ASIDE = ("worker", "scheduler")


@dataclass
class Inbox:
    """A receiver of notifications on the loopback address, such as a team's chat would be.

    Attributes:
        port: Its port.
        messages: What came, oldest first; each with its `Idempotency-Key` under `key`.
    """

    port: int = 0
    messages: list[dict[str, Any]] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        """Start receiving."""
        messages = self.messages

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                messages.append({**json.loads(body), "key": self.headers.get("Idempotency-Key")})
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                del args

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Receiver)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop receiving."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


@dataclass
class Scene:
    """One application between its repository and its servers, with the people around it.

    Attributes:
        lab: The lab.
        plane: Prefect's server and the worker.
        shop: The application's repository.
        home: The scene's own folder: repository, ledger.
        inbox: Where notifications arrive.
        secrets: Approver → one-time-code secret.
    """

    lab: Lab
    plane: LabPlane
    shop: ShopRepository
    home: Path
    inbox: Inbox
    secrets: dict[str, str]
    _used: dict[str, int] = field(default_factory=dict)

    def run(self, deployment: str, **parameters: object) -> str:
        """Start a run of a deployment; return its id."""
        return self.plane.run_deployment(deployment, parameters)

    def ended(self, flow_run_id: str, timeout_seconds: float = 1200) -> dict[str, Any]:
        """Wait until a run ended; return it as the API describes it."""
        return self.plane.wait_for_state(flow_run_id, timeout_seconds=timeout_seconds)

    def suspended(self, flow_run_id: str, timeout_seconds: float = 900) -> dict[str, Any]:
        """Wait until a run waits for an answer."""
        return self.plane.wait_for_state(flow_run_id, "Suspended", timeout_seconds=timeout_seconds)

    def promote(self, environment: str, ref: str = "", requested_by: str = "cleo") -> dict[str, Any]:
        """Promote to an environment that asks nobody, and wait for the end."""
        run = self.run(f"promote/{environment}", environment=environment, ref=ref, requested_by=requested_by)
        return self.ended(run)

    def promote_approved(
        self, environment: str, ref: str = "", *, by: tuple[str, ...] = ("ana",), requested_by: str = "cleo"
    ) -> dict[str, Any]:
        """Promote to an environment that asks, and answer yes as each of the people named."""
        run = self.run(f"promote/{environment}", environment=environment, ref=ref, requested_by=requested_by)
        for name in by:
            self.suspended(run)
            self.answer(run, name)
        return self.ended(run)

    def answer(
        self,
        flow_run_id: str,
        approver: str,
        decision: str = "approve",
        reason: str = "",
        code: str = "",
        form: Mapping[str, object] | None = None,
    ) -> None:
        """Answer a waiting run, with the code the person's authenticator shows; in a form that was opened before."""
        code = code or self.code(approver)
        self.plane.answer(
            flow_run_id, approver=approver, decision=decision, reason=reason, code=code, form=form
        )

    def code(self, approver: str) -> str:
        """Return a one-time code that was not used yet, waiting for one where needed.

        A clock that is one period ahead is put up with, so each person has two codes at a time.
        """
        while (step := self._next_step(approver)) > _period() + 1:
            time.sleep(0.2)
        self._used[approver] = step
        return pyotp.TOTP(self.secrets[approver]).generate_otp(step)

    def _next_step(self, approver: str) -> int:
        return max(_period(), self._used.get(approver, 0) + 1)

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """Open the ledger."""
        with Ledger.open(f"sqlite:///{self.home / 'ledger.db'}") as ledger:
            yield ledger

    def promotions(self, environment: str) -> list[PromotionRecord]:
        """Return the promotions of an environment, newest first."""
        with self.ledger() as ledger:
            return ledger.promotions.history("shop", environment, limit=100)

    def serves(self, environment: str) -> dict[str, Any]:
        """Return what the application's health check answers on an environment's server."""
        script = "import sys,urllib.request as u; sys.stdout.write(u.urlopen('http://localhost:8080/api/health').read().decode())"
        found = self.lab.servers[environment].run(
            ("docker", "exec", "shop-backend-1", "python", "-c", script.replace("localhost:8080", "frontend"))
        )
        return dict(json.loads(found.stdout))


def _period() -> int:
    return int(time.time()) // CODE_PERIOD_SECONDS


def write_env_files(servers: Mapping[str, Server]) -> None:
    """Give each server the env file a team would have put there by hand."""
    folder = "/home/deploy/sluice/shop"
    script = (
        f"install -d -o deploy -g deploy /home/deploy/sluice {folder} && "
        f'install -m 600 -o deploy -g deploy /dev/stdin "{folder}/.env.$1"'
    )

    def write(name: str, server: Server) -> None:
        server.run(("sh", "-c", script, "sh", name), stdin=env_text(name))

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, servers, servers.values()))


def make_fresh(lab: Lab) -> Lab:
    """Make a lab's servers as new, each with its env file; return the lab."""
    lab.reset()
    write_env_files(lab.servers)
    return lab


def save_blocks(lab: Lab, shop: ShopRepository, inbox: Inbox) -> dict[str, str]:
    """Save the blocks a team would fill in in the UI; return the approvers' secrets."""
    for name, server in lab.servers.items():
        ComposeHost(
            address=server.address,
            port=server.port,
            user=server.user,
            private_key=SecretStr(server.private_key_path.read_text()),
            host_key=server.host_key,
        ).save(name, overwrite=True)
    ContainerRegistry(
        address=lab.registry.address,
        username=lab.registry.username,
        password=SecretStr(lab.registry.password),
        insecure=True,
    ).save("main", overwrite=True)
    GitRepository(url=shop.url).save("default", overwrite=True)
    WebhookChannel(url=SecretStr(f"http://127.0.0.1:{inbox.port}/")).save("team", overwrite=True)
    secrets = {name: pyotp.random_base32() for name in APPROVERS}
    for name, (person, mail) in APPROVERS.items():
        Approver(person=person, totp_secret=SecretStr(secrets[name]), identities=[mail]).save(
            name, overwrite=True
        )
    return secrets


@dataclass
class Stage:
    """A lab with Prefect's server and a worker, on which one scene after another can be set.

    Attributes:
        lab: The lab.
        plane: Prefect's server and the worker; this process talks to it.
        home: Sluice's home folder.
        inbox: Where notifications arrive.
        scenes: How many scenes were set.
    """

    lab: Lab
    plane: LabPlane
    home: Path
    inbox: Inbox
    scenes: int = 0

    def set_scene(self, *, fresh: bool = False, whole: bool = True) -> Scene:
        """Set a fresh scene: servers as new, a repository of its own, an empty ledger, the blocks saved again.

        Args:
            fresh: True where the servers are as new already.
            whole: False where the shop runs without its worker and its scheduler: less is started.
        """
        self.scenes += 1
        folder = self.home / f"scene-{self.scenes}"
        shop = ShopRepository.create(folder, aside=() if whole else ASIDE)
        if not fresh:
            make_fresh(self.lab)
        self.inbox.messages.clear()
        ledger_url = f"sqlite:///{folder / 'ledger.db'}"
        LedgerDatabase(url=SecretStr(ledger_url)).save(BLOCK, overwrite=True)
        secrets = save_blocks(self.lab, shop, self.inbox)
        return Scene(self.lab, self.plane, shop, folder, self.inbox, secrets)


def _lasting_port() -> int:
    """Return a free port below those that the kernel gives to connections: it is listened on minutes later."""
    return next(port for _ in range(1000) if port_is_free(port := random.randrange(30_000, 32_700)))


@contextmanager
def open_stage(
    raise_lab: Callable[[], Lab],
    *,
    home: Path | None = None,
    limit: int = 4,
    inherited: Mapping[str, str] | None = None,
) -> Iterator[Stage]:
    """Start a lab, and Prefect's server and a worker beside it; end server and worker.

    Args:
        raise_lab: Returns the running lab; called on a thread of its own while the control plane starts.
        home: Sluice's home folder; a temporary one when None.
        limit: How many runs the worker carries out at once.
        inherited: The environment of the control plane; this process's own when None.

    Yields:
        The stage, on which scenes can be set.
    """
    own = home is None
    # A receiver of its own, whatever else listens on this machine.
    env = {"SLUICE_WEBHOOK_PORT": str(_lasting_port()), **(os.environ if inherited is None else inherited)}
    home = home or Path(tempfile.mkdtemp(prefix="sluice-scene-"))
    if not own:
        # What an earlier scene left: its story is over.
        shutil.rmtree(home, ignore_errors=True)
    try:
        with ThreadPoolExecutor(1) as beside:
            raising = beside.submit(raise_lab)
            lay_database(home)
            with Inbox() as inbox, LabPlane(home, None, limit, inherited=env) as plane:
                lab = raising.result()
                plane.activate()
                # On a stage only the play changes things: tests say themselves when hosts and ledger are compared.
                plane.api.pause_schedules("reconcile/all")
                try:
                    with ending_at_once():
                        yield Stage(lab, plane, home, inbox)
                    drain_events()
                finally:
                    # Waited for when `beside` is left, while the control plane ends.
                    beside.map(Server.kill_containers, lab.servers.values())
    finally:
        if own:
            shutil.rmtree(home, ignore_errors=True)


@contextmanager
def open_scene(raise_lab: Callable[[], Lab], *, home: Path | None = None) -> Iterator[Scene]:
    """Start a lab, Prefect's server and a worker, set one scene, and clear all of it away but the lab.

    Args:
        raise_lab: Returns the running lab; its servers are reset.
        home: Sluice's home folder; a temporary one when None.

    Yields:
        The scene, ready for its first promotion.
    """
    with open_stage(lambda: make_fresh(raise_lab()), home=home) as stage:
        yield stage.set_scene(fresh=True)
