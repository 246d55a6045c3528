"""A flow run as Prefect has it."""

from __future__ import annotations

from datetime import datetime

from blocks.values.base import Value


class RunFact(Value):
    """A flow run as Prefect has it.

    Attributes:
        state: The type of its state, such as RUNNING.
        name: The state's name, such as AwaitingRetry.
        deployed: True when it is of a deployment, so that a worker can start it again.
        key: What it was started with to be one of a kind, which nobody can change; empty without.
    """

    state: str
    name: str
    since: datetime
    last_sign: datetime | None = None
    deployed: bool = True
    key: str = ""
