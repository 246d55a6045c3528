"""One fault played: the run is started, struck, and gone on with as a person would; then it is looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from blocks.values.lifecycle import ENDED, Status
from tasks.kernel.errors import SluiceError
from tasks.ledger.records import PromotionRecord
from tests.faults.checks import problems
from tests.faults.probe import Probe
from tests.faults.report import End, Line, outcome_of
from tests.faults.setting import ENVIRONMENT, Setting
from tests.lab.shell import LabError, wait_until

RUN_SECONDS = 420
STEP_SECONDS = 240
TRIES = 5
TURNS = {Status.SUCCEEDED, Status.UNCHANGED, Status.RESTORED}

Acts = Generator[None, None, None]


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        flow: `promote` or `rollback`: what it is injected into.
        name: What is done.
        step: The step in the middle of which it is done.
        acts: Yields twice: what comes before the first is done before the run starts, what comes before the second
            while it runs, and the rest when it has ended: a person mends the cause.
        prepare: Commits the release that is promoted, where it is a special one.
        ends_on: The last outcome, where it is another than going through with it.
        fresh: True where what is left behind must not meet the next fault: a new scene is set after it.
    """

    flow: str
    name: str
    step: str
    acts: Callable[[Play], Acts]
    prepare: Callable[[Setting], str] | None = None
    ends_on: str = ""
    fresh: bool = False

    @property
    def title(self) -> str:
        """The line people see and choose by."""
        return f"{self.flow}: {self.name} in {self.step}"


@dataclass
class Play:
    """A fault while it is played.

    Attributes:
        setting: Where.
        fault: The fault.
        run: The flow run that is struck.
        rival: A second run beside it, None without one.
        struck: When the fault struck, in seconds since the epoch; None before.
        outcomes: How each try ended.
        lines: What the tries said.
    """

    setting: Setting
    fault: Fault
    run: str = ""
    rival: str | None = None
    struck: float | None = None
    outcomes: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def strike(self, when: float | None = None) -> None:
        """Note that the fault strikes now, or when it did."""
        self.struck = time.time() if when is None else when

    def start(self) -> str:
        """Start a run of the fault's flow, as a person does; return its id."""
        parameters: dict[str, Any] = {"environment": ENVIRONMENT, "requested_by": "cleo"}
        return self.setting.scene.run(f"{self.fault.flow}/{ENVIRONMENT}", **parameters)

    def row(self, run: str = "") -> PromotionRecord | None:
        """Return the promotion of the newest try of the run, or of another one."""
        rows = self.setting.promotions()
        run = run or self.run
        return next((row for row in rows if (row.flow_run_id or "").partition("#")[0] == run), None)

    def await_step(self, name: str) -> None:
        """Wait until the journal says that a step of the run has begun and not ended."""

        def begun() -> bool:
            row = self.row()
            steps = self.setting.ledger.steps.of(row.id) if row else []
            return any(step.name == name and step.status == "started" for step in steps)

        wait_until(begun, f"the step {name}", seconds=STEP_SECONDS)

    def end(self, run: str = "") -> End:
        """Return how the present try of the run, or of another one, ended."""
        run = run or self.run
        ended = self.setting.scene.ended(run, RUN_SECONDS)
        row = self.row(run)
        begun = row is not None and any(step.name == "up" for step in self.setting.ledger.steps.of(row.id))
        message = (ended.get("state") or {}).get("message") or ""
        self.lines.append(message.splitlines()[0][:600] if message else "")
        return End(str(ended["state_type"]), row.status if row else None, message, begun)


def play(setting: Setting, fault: Fault) -> Line:
    """Play one fault to its end.

    Args:
        setting: The scene.
        fault: What to do.

    Returns:
        What survived.
    """
    playing = Play(setting, fault)
    _prepare(setting, fault)
    with Probe(setting.server) as probe, closing(fault.acts(playing)) as acts:
        wrong = _carry_through(playing, acts)
        wrong += problems(setting)
        until = time.time()
    struck = playing.struck
    if struck is None:
        wrong.append("the fault never struck")
    wanted = fault.ends_on or ("rolled back" if fault.flow == "rollback" else "rolled forward")
    if playing.outcomes[-1:] != [wanted]:
        wrong.append(f"it did not end {wanted}")
    return Line(
        fault.flow,
        fault.name,
        fault.step,
        tuple(playing.outcomes),
        None if wrong or struck is None else _worked(playing, until) - struck,
        probe.silent_seconds(struck, until) if struck is not None else 0.0,
        tuple(wrong),
        tuple(playing.lines),
    )


def _prepare(setting: Setting, fault: Fault) -> None:
    """Bring about what the fault's flow needs: a release to promote, or two to go between."""
    setting.orders.clear()
    if fault.flow == "rollback":
        setting.let_in()
        if setting.good_before() is None:
            setting.next_release(migrates=False)
            setting.scene.promote(ENVIRONMENT)
    elif fault.prepare is not None:
        fault.prepare(setting)
    else:
        setting.next_release()


def _carry_through(playing: Play, acts: Acts) -> list[str]:
    """Play the three acts, and go on with the run as a person would; return what went wrong with the playing."""
    back = playing.fault.flow == "rollback"
    try:
        next(acts)
        playing.run = playing.start()
        next(acts)
        playing.setting.scene.ended(playing.run, RUN_SECONDS)
        next(acts, None)
        end = playing.end()
        playing.outcomes.append(outcome_of(end, back=back))
        while len(playing.outcomes) < TRIES and _goes_on(playing, end):
            _retry(playing)
            end = playing.end()
            playing.outcomes.append(outcome_of(end, back=back))
        if playing.rival is not None:
            playing.outcomes.append(outcome_of(playing.end(playing.rival)))
    except (LabError, SluiceError) as error:
        playing.setting.orders.clear()
        return [f"{type(error).__name__}: {error}"]
    return []


def _goes_on(playing: Play, end: End) -> bool:
    """Say whether a person would try again: not where it is done, and not where it ended as it had to."""
    return end.state != "COMPLETED" and playing.outcomes[-1] not in {
        playing.fault.ends_on,
        "superseded",
        "unknown",
    }


def _retry(playing: Play) -> None:
    """Retry as a person does: once more where the worker's second report of the same crash ended the retry."""
    api = playing.setting.stage.plane.api
    before = api.run(playing.run)["run_count"]
    for _ in range(3):
        api.retry(playing.run)
        deadline = time.monotonic() + STEP_SECONDS
        while time.monotonic() < deadline:
            now = api.run(playing.run)
            if now["run_count"] > before:
                return
            if now["state_type"] == "CRASHED":
                break
            time.sleep(0.5)
    raise LabError(f"run {playing.run} cannot be retried")


def _worked(playing: Play, until: float) -> float:
    """Return when the ledger's last word was that a release works, at the latest now, when it was looked at."""
    struck = playing.struck or until
    ends = [
        _epoch(row.ended_at)
        for row in playing.setting.promotions()
        if row.status in ENDED & TURNS and row.ended_at is not None
    ]
    return max((end for end in ends if struck <= end <= until), default=until)


def _epoch(when: datetime) -> float:
    return when.astimezone(UTC).timestamp()
