"""`script/bench schema`: a rehearsal of a database, and a rollback while nothing but the server answers.

Each round promotes a release with a migration, which is rehearsed on a restored copy first, then takes the ledger and
Prefect's server away and types `sluice rollback --offline`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from flows.drift.flow import reconcile
from tests.bench.__main__ import MIGRATION, OURS, fill, loop_seconds
from tests.lab.lab import Lab
from tests.lab.outage import everything_down
from tests.lab.scene import Scene, open_scene

console = Console(highlight=False)


def play(scene: Scene, number: int) -> dict[str, float]:
    """Play one round; return what took how many seconds."""
    path = f"backend/migrations/versions/b{number:03}_bench.py"
    before = f"b{number - 1:03}" if number > 1 else "0002"
    scene.shop.commit_file(path, MIGRATION.format(number=number, before=before), f"Round {number}")
    run = scene.promote(OURS)
    if run["state"]["name"] != "Completed":
        raise RuntimeError(f"promotion ended {run['state']['name']}: {run['state']['message']}")
    plan = scene.promotions(OURS)[0].plan
    if plan is None or plan.rehearsal is None:
        raise RuntimeError("the migration was not rehearsed")
    taken = {
        "drill and rehearsal": plan.rehearsal.seconds,
        "of that, restoring the dump": plan.rehearsal.drill.restore_seconds,
        "of that, the migration": plan.rehearsal.migrate_seconds,
    }
    argv = (sys.executable, "-m", "deployments.cli.main", "rollback", OURS, "--offline", "--yes")
    with everything_down(scene) as env:
        began = time.monotonic()
        done = subprocess.run(
            (*argv, "--reason", "a round"), env=env, capture_output=True, text=True, check=False
        )
        taken["rollback --offline, from the typed command"] = time.monotonic() - began
    if done.returncode != 0:
        raise RuntimeError(f"the rollback failed: {done.stderr[-2000:]}")
    scene.plane.activate()
    reconcile(OURS)
    return taken


def main() -> int:
    """Run the benchmark; return the exit status."""
    parser = argparse.ArgumentParser(prog="script/bench schema", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=100, help="size of the database")
    parser.add_argument("--json", type=Path, help="write the result here as well")
    chosen = parser.parse_args()
    rounds: list[dict[str, float]] = []
    with open_scene(lambda: Lab.up((OURS,))) as scene:
        scene.shop.add_to_environment(OURS, "    database: {rehearse: true}\n", "Rehearsed")
        scene.promote(OURS)
        console.print(f"database of {OURS}: {fill(scene, OURS, chosen.megabytes)}")
        for number in range(1, chosen.rounds + 1):
            rounds.append(play(scene, number))
            told = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in rounds[-1].items())
            console.print(f"round {number}: {told}", soft_wrap=True)
    medians = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    for name, seconds in medians.items():
        console.print(f"{name:<44}{seconds:8.2f} s  median of {len(rounds)}")
    loop = loop_seconds()
    console.print(f"{'ten million additions in Python':<44}{loop:8.2f} s")
    if chosen.json:
        machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
        found = {"machine": machine, "loop_seconds": loop, "median_seconds": medians, "rounds": rounds}
        chosen.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
