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

from tasks.kernel.errors import SluiceError
from tests.faults.catalogue import PROMOTE, ROLLBACK, UNDISTURBED, catalogue, chosen, names_steps
from tests.faults.report import Line, as_data, table
from tests.faults.setting import Setting, open_setting
from tests.faults.trial import Fault, play
from tests.lab.down import take_down
from tests.lab.settings import Settings
from tests.lab.shell import LabError

console = Console(highlight=False, soft_wrap=True)


def learn(setting: Setting, flow: str, lines: list[Line]) -> tuple[str, ...]:
    """Play a flow without a fault; return the steps its journal names, in their order."""
    lines.append(play_one(setting, UNDISTURBED[flow], "first"))
    steps = setting.ledger.steps.of(setting.promotions()[0].id)
    return tuple(dict.fromkeys(step.name for step in steps))


def play_all(setting: Setting, patterns: Sequence[str], lines: list[Line]) -> None:
    """Play the chosen faults one after the other; each flow first without a fault, where its steps must be known.

    Args:
        setting: The scene, set.
        patterns: Which to play; none for all.
        lines: What survived each; lines are added.
    """
    promotion: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    if names_steps(patterns):
        promotion = learn(setting, PROMOTE, lines)
        if any(fault.flow == ROLLBACK for fault in chosen(catalogue((), promotion), patterns)):
            back = learn(setting, ROLLBACK, lines)
    faults = chosen(catalogue(promotion, back), patterns)
    for number, fault in enumerate(faults, start=1):
        lines.append(play_one(setting, fault, f"{number}/{len(faults)}"))
        if number < len(faults) and (fault.fresh or not lines[-1].good):
            setting.set_scene()


def play_one(setting: Setting, fault: Fault, number: str) -> Line:
    """Play one fault, telling how it ended."""
    console.print(f"[bold]▸ {number} {fault.title}[/bold]")
    line = play(setting, fault)
    tell(line)
    return line


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
        "--only",
        action="append",
        default=[],
        metavar="PATTERN",
        help="play those whose line in the list has it",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result here as well")
    return parser.parse_args()


def main() -> int:
    """Play the faults; return the exit status."""
    chosen_by = parse()
    if chosen_by.list:
        each = ("each step of the journal",)
        for fault in (*UNDISTURBED.values(), *chosen(catalogue(each, each), chosen_by.only)):
            console.print(fault.title)
        return 0
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    ours, began = not Settings().description.exists(), time.monotonic()
    lines: list[Line] = []
    try:
        with open_setting(Settings().directory / "faults") as setting:
            setting.set_scene()
            play_all(setting, chosen_by.only, lines)
    except (SluiceError, LabError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        conclude(lines, time.monotonic() - began, chosen_by.json)
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
