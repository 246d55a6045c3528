"""What makes a function a step: a Prefect task with a journal row and retries for what another try cures."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from blocks.values.base import Value
from tasks.kernel.errors import TransientError
from tasks.kernel.logs import log

if TYPE_CHECKING:
    from prefect import Task
    from prefect.client.schemas.objects import State, TaskRun

    from tasks.steps.run import Run

P = ParamSpec("P")
V = TypeVar("V", bound=Value)
R = TypeVar("R")

RETRIES = 3
_PLACES = ("host", "target")

__all__ = ["fact", "log", "step"]


def _curable(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Say whether another try may help: only for a `TransientError`."""
    try:
        state.result()
    except TransientError:
        return True
    except BaseException:  # noqa: BLE001 - any other failure is final, whatever it is
        return False
    return False


def _run_name(name: str, function: Callable[..., Any]) -> str:
    """Return the template of a task run's name: it says which host or image the run is about."""
    about = [word for word in _PLACES if word in inspect.signature(function).parameters]
    return f"{name} {{{about[0]}}}" if about else name


def fact(name: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function that only reads a task of its own. It keeps no journal: facts are read anew."""

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        return task(
            name=name,
            task_run_name=_run_name(name, function),
            cache_policy=NO_CACHE,
            persist_result=False,
            retries=RETRIES,
            retry_delay_seconds=exponential_backoff(1),
            retry_condition_fn=_curable,
        )(function)

    return decorate


def step(
    name: str, receipt: type[V]
) -> Callable[[Callable[Concatenate[Run, P], V]], Task[Concatenate[Run, P], V]]:
    """Make a function that changes something a step of the journal.

    A step that finished in this promotion is not run again: its receipt is read back. One that was cut is run
    again, so it reads facts first and changes only what is missing.

    Args:
        name: The step's name in the journal and the UI. A keyword argument `host` or `target` makes one row for each.
    """

    def decorate(function: Callable[Concatenate[Run, P], V]) -> Task[Concatenate[Run, P], V]:
        @functools.wraps(function)
        def journaled(run: Run, *args: P.args, **kwargs: P.kwargs) -> V:
            where = next((str(kwargs[word]) for word in _PLACES if word in kwargs), "")
            done = run.journal.finished(name, where, receipt)
            if done is not None:
                log().info("%s: finished earlier in this promotion; not repeated", name)
                return done
            with run.journal.started(name, where) as record:
                result = function(run, *args, **kwargs)
                record(result)
            return result

        return fact(name)(journaled)

    return decorate
