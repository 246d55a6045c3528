"""The section `watch`: how a release is looked after for a while once it runs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from blocks.pipeline.durations import Duration
from blocks.pipeline.fields import Many, Matching, Text, flag
from blocks.pipeline.sections import HOUR, MINUTE
from blocks.values.base import Value

LogPattern = Annotated[
    Text, Matching(r"(?=.*[^*\s]).{1,200}", "a piece of a log line (200 characters at most)")
]
LogPatterns = Many[LogPattern]


class LogRules(Value):
    """What the services' logs may say. Patterns are pieces of a line; `*` stands for any characters."""

    watch: LogPatterns = Field((), description="Lines that turn the watch red, whatever their level.")
    ignore: LogPatterns = Field((), description="Lines that never count.")
    new_errors: int | None = Field(
        0,
        ge=0,
        le=1000,
        description="How many kinds of errors may come that were not there before; null: they are not judged.",
    )
    rate: float | None = Field(
        3.0,
        ge=1,
        le=1000,
        description="By what factor errors may become more frequent than before; null: that is not judged.",
    )


class Watch(Value):
    """How a release is looked after once it runs. Read from the default branch."""

    window: Duration = Field(
        10 * MINUTE,
        ge=1,
        le=24 * HOUR,
        description="How long it is watched after the switch; as much of the logs before it is compared.",
    )
    every: Duration = Field(MINUTE, ge=1, description="How long it waits between two looks.")
    smoke: bool = Field(default=True, description="Whether the smoke checks are repeated at each look.")
    restarts: int = Field(
        0, ge=0, le=1000, description="How often the engine may restart services within the window."
    )
    logs: LogRules | None = Field(
        description="What the services' logs may say; null: they are not read.", default_factory=LogRules
    )
    rollback: bool = flag(
        "Whether a red watch starts a rollback automatically. People are notified and the "
        "release is put on hold in any case."
    )
