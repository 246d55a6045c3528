"""Prefect's own word about flow runs, and starting one again.

Each of these raises `TransientError` where Prefect's server does not answer. A `key` is a promotion's `flow_run_id`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
from prefect import get_client, runtime
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound, Pause
from prefect.settings import get_current_settings
from prefect.states import AwaitingRetry, Crashed, Scheduled

from blocks.values.flow_runs import RunFact
from tasks.kernel.errors import TerminalError, TransientError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import State

_HEARTBEAT = "prefect.flow-run.heartbeat"


def sign_seconds() -> float | None:
    """Return how often runs give a sign of life, None where they are not told to."""
    return get_current_settings().flows.heartbeat_frequency


def read_flow_run(key: str) -> RunFact | None:
    """Read a promotion's flow run.

    Args:
        key: The promotion's `flow_run_id`: a run's id, `#2` and so on after it for a further attempt.

    Returns:
        The run, None where the server has none of this id.
    """
    identifier = _identifier(key)
    if identifier is None:
        return None
    with _asking() as client:
        try:
            run = client.read_flow_run(identifier)
        except ObjectNotFound:
            return None
        state = run.state
        if state is None:
            return None
        sign = _last_sign(client, identifier) if state.type.value == "RUNNING" else None
    return RunFact(
        state=state.type.value,
        name=state.name or state.type.value,
        since=state.timestamp,
        last_sign=sign,
        deployed=run.deployment_id is not None,
        key=run.idempotency_key or "",
    )


def end_flow_run(key: str, message: str) -> None:
    """Say of a run whose process is gone that it crashed; only then can it be retried, and its place is free."""
    _set_state(key, Crashed(message=message))


def retry_flow_run(key: str, message: str) -> None:
    """Have a worker start an ended run again, as `prefect flow-run retry` does."""
    _set_state(key, AwaitingRetry(message=message))


def answer_flow_run(key: str, answer: Mapping[str, object]) -> str:
    """Answer a run that waits, as the form of the UI does; return why it does not take it, empty where it does."""
    identifier = _identifier(key)
    if identifier is None:
        return f"{key} is not a flow run"
    with _asking() as client:
        result = client.resume_flow_run(identifier, run_input=dict(answer))
    if result.status is SetStateStatus.ACCEPT:
        return ""
    return getattr(result.details, "reason", None) or "no reason given"


def start_flow_run(deployment: str, parameters: Mapping[str, Any], key: str) -> str:
    """Start a run of a deployment.

    Running it twice is safe: the same key makes one run, and gives back its id.

    Args:
        deployment: `flow/name`.
        key: What makes the run one of a kind.

    Raises:
        TerminalError: There is no such deployment.
    """
    with _asking() as client:
        try:
            found = client.read_deployment_by_name(deployment)
        except ObjectNotFound:
            raise TerminalError(
                f"no deployment is named {deployment}", "deploy it: `sluice up`, or `prefect deploy --all`"
            ) from None
        run = client.create_flow_run_from_deployment(
            found.id, parameters=dict(parameters), idempotency_key=key
        )
    return str(run.id)


# A process of its own costs a few seconds; a shorter wait is not worth it.
_SHORTEST_LEAVE_SECONDS = 20.0


def wait_here(seconds: float, why: str) -> None:
    """Wait within a flow run; of a longer wait the process ends, and a worker starts the run again from the top.

    Raises:
        Pause: Tells Prefect's engine that this process is done with the run.
    """
    if seconds < _SHORTEST_LEAVE_SECONDS or runtime.deployment.id is None:
        time.sleep(max(seconds, 0.0))
        return
    when = datetime.now(UTC) + timedelta(seconds=seconds)
    state: State[None] = Scheduled(scheduled_time=when, name=why)
    with _asking() as client:
        client.set_flow_run_state(runtime.flow_run.id, state, force=True)
    raise Pause(state=state)


def _set_state(key: str, state: State[None]) -> None:
    identifier = _identifier(key)
    if identifier is None:
        raise RuntimeError(f"{key} is not a flow run")
    with _asking() as client:
        client.set_flow_run_state(identifier, state, force=True)


def _identifier(key: str) -> UUID | None:
    try:
        return UUID(key.partition("#")[0])
    except ValueError:
        return None


def _last_sign(client: SyncPrefectClient, identifier: UUID) -> datetime | None:
    """Return when a run last gave a sign of life; its process does so in a thread of its own."""
    wanted = {
        "event": {"name": [_HEARTBEAT]},
        "resource": {"id": [f"prefect.flow-run.{identifier}"]},
        "order": "DESC",
    }
    answer = client.request("POST", "/events/filter", json={"filter": wanted, "limit": 1})
    events = answer.raise_for_status().json()["events"]
    return datetime.fromisoformat(events[0]["occurred"]) if events else None


@contextmanager
def _asking() -> Iterator[SyncPrefectClient]:
    try:
        with get_client(sync_client=True) as client:
            yield client
    except httpx.HTTPError as error:
        raise TransientError(f"Prefect's server does not answer: {error}", "check its log") from error
