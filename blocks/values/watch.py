"""What a watch sees of a release that runs: errors in logs, containers, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from blocks.values.base import Value
from blocks.values.facts import ContainerFact

Sign = Literal["error", "pattern"]


class LogError(Value):
    """One kind of error in a service's log, however often it came.

    Attributes:
        sign: `error` for a line of that level, `pattern` for one that the pipeline watches for.
        text: What lines of this kind have in common: what varies is masked. For a pattern, the pattern.
        sample: The first such line, without secrets.
    """

    service: str
    sign: Sign = "error"
    text: str
    count: int
    sample: str

    @property
    def kind(self) -> tuple[str, str]:
        """What makes it the same error before and after: the service and the text."""
        return (self.service, self.text)


class ContainerMark(Value):
    """One container as it was at a moment."""

    id: str
    service: str
    restarts: int = 0
    started_at: str = ""


class LogSummary(Value):
    """What a host's logs said within a time, and the containers they are from.

    Attributes:
        seconds: How long that time was, as far as the logs go; 0 where there were none.
        starting: The errors services had when they were started, where that was asked for.
    """

    host: str
    seconds: float = 0.0
    lines: int = 0
    errors: tuple[LogError, ...] = ()
    starting: tuple[LogError, ...] = ()
    containers: tuple[ContainerMark, ...] = ()
    notes: tuple[str, ...] = ()


class HostLook(Value):
    """One look at one host; `smoke` says why its checks are red, empty where they are green or not asked."""

    logs: LogSummary
    ailing: tuple[str, ...] = ()
    smoke: str = ""

    @property
    def host(self) -> str:
        """The host's name."""
        return self.logs.host


class WatchFinding(Value):
    """One reason why a watch is red, with the log lines that decided, without secrets."""

    what: str
    lines: tuple[str, ...] = ()


class WatchStart(Value):
    """A watch that was started."""

    flow_run: str
    until: datetime


class WatchEnd(Value):
    """How a watch ended.

    Attributes:
        verdict: `green`; `red`; `unclear` where nothing was red in what could be read, and not all could; `over` where
            the release was replaced; `blind` where nothing could be looked at.
        errors: The errors that were seen; those of a watch that was not red are known to the next one.
    """

    verdict: Literal["green", "red", "unclear", "over", "blind"]
    text: str
    findings: tuple[WatchFinding, ...] = ()
    errors: tuple[LogError, ...] = ()


@dataclass(frozen=True)
class RawLogs:
    """What the containers of a host logged, as it was read: nothing is made of it yet.

    Attributes:
        since: Container id → how many seconds were gone back.
        mark: The word that `read_logs` was given.
    """

    host: str
    containers: tuple[ContainerFact, ...] = ()
    since: Mapping[str, float] = field(default_factory=dict)
    mark: str = ""
    text: str = ""
    problem: str = ""
