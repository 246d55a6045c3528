"""Steps without Prefect: called at once, with the journal of a real ledger, and doing what a test says."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from prefect import Task

from blocks.values.base import Value
from tasks.steps.step import step


class FakeFuture:
    """What a step that was begun ended with.

    Attributes:
        waited: How often somebody waited for it.
    """

    def __init__(self, act: Callable[[], Any]) -> None:
        self.waited = 0
        self._error: Exception | None = None
        try:
            self._value = act()
        except Exception as error:  # noqa: BLE001 - it is raised again by whoever asks for the result
            self._error = error

    def result(self) -> Any:
        self.waited += 1
        if self._error is not None:
            raise self._error
        return self._value

    def wait(self, timeout: float | None = None) -> None:
        self.waited += 1


class Called:
    """A function in place of a Prefect task."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.fn = function

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self.fn(*args, **named)

    def submit(self, *args: Any, wait_for: object = None, return_state: object = None, **named: Any) -> Any:
        return FakeFuture(lambda: self.fn(*args, **named))


class FakeSteps:
    """Replaces Prefect tasks, and keeps what was done.

    Attributes:
        calls: `name` or `name host` of each step that was begun, and what it was given by name, in turn.
        errors: What is raised, and by which step: `name` or `name host`.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.errors: dict[str, BaseException] = {}

    def call(self, module: ModuleType) -> None:
        """Call all tasks that a module uses as what they are, and wait for nothing."""
        for name, value in list(vars(module).items()):
            if isinstance(value, Task):
                self._monkeypatch.setattr(module, name, Called(value.fn))
        if hasattr(module, "wait"):
            self._monkeypatch.setattr(module, "wait", lambda futures: [one.wait() for one in futures])

    def replace(self, module: ModuleType, name: str, answer: Any, *, journal: str = "") -> None:
        """Let a task answer in place of what it does; a callable is given what the task is.

        Args:
            journal: The step's name in the journal; empty for what keeps none.
        """

        def act(run: Any, /, **named: Any) -> Any:
            result = answer(**named) if callable(answer) else answer
            self.note(journal or name, named)
            return result

        if journal:
            receipt = Value if callable(answer) else type(answer)
            self._monkeypatch.setattr(module, name, Called(step(journal, receipt)(act).fn))
            return
        self._monkeypatch.setattr(module, name, Called(act))

    @property
    def done(self) -> list[str]:
        """The steps that were begun, in turn."""
        return [key for key, _ in self.calls]

    def of(self, name: str) -> list[dict[str, Any]]:
        """Return what each call of a step was given."""
        return [given for key, given in self.calls if key.split(" ")[0] == name]

    def note(self, name: str, given: dict[str, Any] | None = None) -> None:
        """Write down that something was begun; it may have to raise."""
        key = f"{name.replace(' ', '-')} {(given or {}).get('host', '')}".strip()
        self.calls.append((key, given or {}))
        error = self.errors.get(key) or self.errors.get(key.split(" ")[0])
        if error is not None:
            raise error


def throwing(error: BaseException) -> Callable[..., Any]:
    """Return a function that raises."""

    def throw(*_: object, **__: object) -> Any:
        raise error

    return throw
