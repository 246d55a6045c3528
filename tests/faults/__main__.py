"""`script/faults`: each fault in a real promotion and rollback, and a table of what survived.

The exit status is 1 where an outcome is unknown, or the application does not answer its smoke checks at the end.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tasks.errors import SluiceError
from tests.faults.catalogue import PROMOTE, ROLLBACK, catalogue, chosen
from tests.faults.report import Line, as_data, table
from tests.faults.setting import ENVIRONMENT, Setting, open_setting
from tests.faults.trial import Fault, play
from tests.lab.down import take_down
from tests.lab.settings import Settings
from tests.lab.shell import LabError

console = Console(highlight=False, soft_wrap=True)


def undisturbed(setting: Setting, flow: str) -> tuple[str, ...]:
    """Carry a flow through without a fault; return the steps its journal names, in their order.

    Raises:
        LabError: It did not complete.
    """
    began = time.monotonic()
    ended = setting.scene.ended(setting.scene.run(f"{flow}/{ENVIRONMENT}", environment=ENVIRONMENT))
    if ended["state_type"] != "COMPLETED":
        raise LabError(f"an undisturbed {flow} ended {ended['state_name']}: {ended['state']['message']}")
    steps = setting.ledger.steps.of(setting.promotions()[0].id)
    names = tuple(dict.fromkeys(step.name for step in steps))
    console.print(f"  {flow}: {time.monotonic() - began:.1f} s undisturbed; its steps: {', '.join(names)}")
    return names


def faults_of(setting: Setting) -> tuple[Fault, ...]:
    """Return every fault for the steps that an undisturbed promotion and rollback have."""
    setting.next_release()
    promotion = undisturbed(setting, PROMOTE)
    setting.next_release(migrates=False)
    undisturbed(setting, PROMOTE)
    return catalogue(promotion, undisturbed(setting, ROLLBACK))


def play_all(setting: Setting, faults: Sequence[Fault]) -> list[Line]:
    """Play faults one after the other, telling how each ended."""
    lines: list[Line] = []
    for number, fault in enumerate(faults, start=1):
        console.print(f"[bold]▸ {number}/{len(faults)} {fault.title}[/bold]")
        line = play(setting, fault)
        lines.append(line)
        tell(line)
        if number < len(faults) and (fault.fresh or not line.good):
            setting.set_scene()
            setting.next_release(migrates=False)
            setting.scene.promote(ENVIRONMENT)
    return lines


def tell(line: Line) -> None:
    """Print how one fault ended, and what its runs said."""
    mark = "[green]✔[/green]" if line.good else "[red]✘[/red]"
    seconds = "never" if line.seconds is None else f"{line.seconds:.1f} s"
    console.print(f"  {mark} {line.outcome}; works after {seconds}, {line.silent:.1f} s without answer")
    for text in line.lines:
        console.print(f"    {text[:300]}", style="dim", markup=False)
    for text in line.wrong:
        console.print(f"    ✘ {text}", style="red", markup=False)


def interrupt(*_: object) -> None:
    """End from wherever it is: everything that was started is stopped on the way out."""
    raise KeyboardInterrupt


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="script/faults", description=__doc__)
    parser.add_argument("--list", action="store_true", help="print the faults and exit")
    parser.add_argument(
        "--only", default="", metavar="PATTERN", help="play those whose line in the list has it"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result here as well")
    return parser.parse_args()


def main() -> int:
    """Play the faults; return the exit status."""
    chosen_by = parse()
    if chosen_by.list:
        each = ("each step of the journal",)
        for fault in chosen(catalogue(each, each), chosen_by.only):
            console.print(fault.title)
        return 0
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    ours, began, lines = not Settings().description.exists(), time.monotonic(), []
    try:
        with open_setting(Settings().directory / "faults") as setting:
            setting.set_scene()
            lines = play_all(setting, chosen(faults_of(setting), chosen_by.only))
    except (SluiceError, LabError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; what was started is stopped")
        return 130
    finally:
        if ours:
            take_down(Settings(), purge=False)
    return conclude(lines, time.monotonic() - began, chosen_by.json)


def conclude(lines: Sequence[Line], seconds: float, path: Path | None) -> int:
    """Print the table, write the file, and return the exit status."""
    console.print()
    console.print(table(lines), markup=False)
    bad = [line for line in lines if not line.good]
    console.print(f"\n{len(lines)} faults, {len(bad)} not survived ({seconds:.0f} s)")
    if path is not None:
        path.write_text(json.dumps({"seconds": seconds, "faults": as_data(lines)}, indent=2) + "\n")
    return 1 if bad or not lines else 0


if __name__ == "__main__":
    sys.exit(main())
