"""Where the control plane keeps its things, and the environment its processes are started with."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from blocks.settings import Settings
from deployments.control_plane.server import further_names, host_name

HOST = "127.0.0.1"
DEFAULT_PORT = 4200
POOL = "sluice-runs"
POOL_TYPE = "sluice"
# The pool of process workers that versions before the worker type made; its type cannot be changed.
EARLIER_POOL = "sluice"
# What Prefect asks of a pool, and refuses empty: the worker reads none of it.
JOB_TEMPLATE: dict[str, Any] = {
    "job_configuration": {"settings": []},
    "variables": {"type": "object", "properties": {}},
}
# Type and name of the block the receiver of GitHub's webhooks reads, and where it listens.
WEBHOOKS_BLOCK = ("github-webhooks", "default")
WEBHOOKS_PATH = "/webhooks/github"
# What is deployed.
PREFECT_FILE = Path(__file__).resolve().parents[2] / "prefect.yaml"

# Seconds between two signs of life of a run; `reconcile` ends a run that misses several of them.
HEARTBEAT_SECONDS = 30

_CHOICES = {
    # The server would otherwise report usage to its makers, and show their offers.
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "DO_NOT_TRACK": "1",
    # A run starts within half a second of being asked for, not within ten.
    "PREFECT_WORKER_QUERY_SECONDS": "0.5",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
    # What a run says stands in the UI.
    "PREFECT_LOGGING_TO_API_ENABLED": "true",
    "PREFECT_LOGGING_COLORS": "false",
    # The server looks every 5 to 15 s for runs that are late, waits that expired, new schedules and leases nobody
    # here takes: on a small machine that costs more than what it finds.
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "20",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "20",
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "30",
    "PREFECT_SERVER_SERVICES_CLEANUP_RECONCILER_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "30",
    "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT30S",
    # What steps tell about themselves is written down once a second, not each word in a transaction of its own.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    # Prefect makes a client for almost each thing it says, and each reads this file anew. The server here is reached
    # without TLS, so one authority, whose key nobody has, stands in for the 150 that all of them would read.
    "PREFECT_API_SSL_CERT_FILE": str(Path(__file__).with_name("nobody.pem")),
    # Nobody answers a question in a log file.
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_CLI_WRAP_LINES": "false",
}

# Whose pages may read answers: Prefect's default is everybody's.
_ORIGINS = "PREFECT_SERVER_CORS_ALLOWED_ORIGINS"

# A profile or key of the user's is for another server, and the profile is not in this home.
_ANOTHER_SERVERS = frozenset({"PREFECT_PROFILE", "PREFECT_API_KEY"})


def root_url(port: int) -> str:
    """Return the address at which people open Prefect's UI."""
    return f"http://{HOST}:{port}"


def same_server(one: str | None, other: str) -> bool:
    """Say whether two addresses of an API are those of one server."""
    plain = (url.rstrip("/").replace("//localhost:", f"//{HOST}:") for url in (one or "", other))
    return len(set(plain)) == 1


def api_url(port: int) -> str:
    """Return the address of Prefect's API."""
    return f"{root_url(port)}/api"


def own_origins(port: int, ui_url: str = "") -> tuple[str, ...]:
    """Return the addresses of Prefect's own UI; a public one counts unless it is another server's on this machine."""
    own, public = (root_url(port), f"http://localhost:{port}"), urlsplit(ui_url.lower())
    return (*own, f"{public.scheme}://{public.netloc}") if further_names("", ui_url) else own


def names_server(env: Mapping[str, str], port: int) -> bool:
    """Say whether the address of an API in an environment, if there is one, is that of the server here."""
    url = env.get("PREFECT_API_URL", "")
    public = further_names(env.get("SLUICE_API_HOSTS", ""), env.get("SLUICE_PREFECT_UI_URL", ""))
    return not url or same_server(url, api_url(port)) or host_name(urlsplit(url).netloc) in public


def webhooks_url(env: Mapping[str, str]) -> str:
    """Return where a receiver of GitHub's webhooks that is started with an environment listens."""
    defaults = Settings.model_fields
    host = env.get("SLUICE_WEBHOOK_HOST") or str(defaults["webhook_host"].default)
    port = env.get("SLUICE_WEBHOOK_PORT") or str(defaults["webhook_port"].default)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def control_plane_environment(home: Path, port: int, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of server, worker and runs.

    What decides where things are (home folders, addresses) is set; of the other choices, one the user made
    in the inherited environment stays. The database of the server is SQLite in the home folder unless
    `PREFECT_API_DATABASE_CONNECTION_URL` names another.
    """
    public = inherited.get("SLUICE_PREFECT_UI_URL", "")
    places = {
        "SLUICE_HOME": str(home),
        "SLUICE_PREFECT_UI_URL": root_url(port),
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": api_url(port),
        "PREFECT_UI_URL": root_url(port),
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_API_PORT": str(port),
        # `python` in a run's command is the interpreter that has Sluice installed.
        "PATH": _with_own_interpreter(inherited.get("PATH", "")),
    }
    kept = {name: value for name, value in inherited.items() if name not in _ANOTHER_SERVERS}
    if names := further_names(inherited.get("SLUICE_API_HOSTS", ""), public):
        places["SLUICE_API_HOSTS"] = ",".join(names)
    return {**_CHOICES, _ORIGINS: ",".join(own_origins(port, public)), **kept, **places}


def _with_own_interpreter(path: str) -> str:
    own = str(Path(sys.executable).parent)
    others = [part for part in path.split(":") if part and part != own]
    return ":".join([own, *others])


def process_file(home: Path, name: str) -> Path:
    """Return the file in which a running `server`, `worker` or `receiver` is written down."""
    return home / "run" / f"{name}.json"


def run_file(home: Path, run: str) -> Path:
    """Return the file in which the process of a flow run is written down while the worker carries it."""
    return process_file(home, f"runs/{run}")


def log_file(home: Path, name: str) -> Path:
    """Return the file the output of `server`, `worker`, `receiver` or `setup` goes to."""
    return home / "logs" / f"{name}.log"
