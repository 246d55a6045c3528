"""`script/bench`: the same promotion by Sluice and by a shell script, alternating in one run.

Each round changes one source file and adds one migration, for each side its own, so that neither finds the other's
work in a cache. Both keep a database of the same size on servers of the same lab.
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
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from deployments.control_plane import processes
from deployments.control_plane.prefect_api import Json
from tests.lab.lab import Lab
from tests.lab.scene import Scene, open_scene
from tests.lab.shell import wait_until
from tests.lab.shop_repository import ShopRepository, env_text

BY_HAND = Path(__file__).with_name("by_hand.sh")
OURS, THEIRS = "feature", "staging"
ROWS_PER_MB = 8_300
MIGRATION = '''"""Adds a table that nothing uses."""

from alembic import op
import sqlalchemy as sa

revision = "b{number:03}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("bench_{number:03}", sa.Column("id", sa.Integer, primary_key=True))


def downgrade() -> None:
    op.drop_table("bench_{number:03}")
'''

console = Console(highlight=False)


@dataclass
class Bench:
    """One run of the benchmark.

    Attributes:
        scene: The lab with Sluice on it.
        plain: The repository the shell script works from.
        seconds: Name → measured seconds, one per round.
        steps: Step of a promotion → seconds from the run's start to its beginning and to its end, one pair per round.
    """

    scene: Scene
    plain: ShopRepository
    seconds: dict[str, list[float]] = field(default_factory=dict)
    steps: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def note(self, name: str, seconds: float) -> None:
        """Keep one measurement and show it."""
        self.seconds.setdefault(name, []).append(seconds)
        console.print(f"  {name:<34}{seconds:8.2f} s")

    def change(self, repository: ShopRepository, number: int, who: str) -> None:
        """Change one source file and add one migration, in one commit."""
        before = f"b{number - 1:03}" if number > 1 else "0002"
        path = f"backend/migrations/versions/b{number:03}_bench.py"
        (repository.work / path).write_text(MIGRATION.format(number=number, before=before))
        source = repository.work / "backend/shop/schemas.py"
        text = source.read_text().partition("\n# round ")[0].rstrip("\n")
        repository.commit_file(
            "backend/shop/schemas.py", f"{text}\n\n# round {number} {who}\n", f"Round {number}"
        )

    @property
    def logged_in(self) -> Path:
        """The folder of the script's Docker login."""
        return self.scene.home / "docker"

    def by_hand(self, act: str, commit: str = "") -> float:
        """Run the shell script for a commit, the newest by default; return its seconds."""
        lab = self.scene.lab
        server = lab.servers[THEIRS]
        env = {
            "SOURCE": str(self.plain.work),
            "TAG": (commit or self.plain.head)[:12],
            "REGISTRY": f"{lab.registry.address}/byhand",
            "SERVER": server.address,
            "KEY": str(server.private_key_path),
            "KNOWN_HOSTS": str(lab.settings.directory / "known_hosts"),
            "DOCKER_CONFIG": str(self.logged_in),
        }
        began = time.monotonic()
        done = subprocess.run(
            (str(BY_HAND), act), env={**os.environ, **env}, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"by_hand.sh {act}: {done.stderr[-2000:]}")
        return time.monotonic() - began

    def sluice(self, ref: str = "") -> Json:
        """Promote with Sluice; return the run."""
        run = self.scene.promote(OURS, ref)
        if run["state"]["name"] != "Completed":
            raise RuntimeError(f"promotion ended {run['state']['name']}: {run['state']['message']}")
        return run

    def roll_back(self) -> None:
        """Type the rollback, and note the seconds until its smoke checks passed, its run ended, the command was done.

        Prefect's command waits three seconds more after the end of a run, for lines of its log that come late.
        """
        began = datetime.now(UTC)
        subprocess.run(
            (sys.executable, "-m", "prefect", "deployment", "run", f"rollback/{OURS}", "--watch"),
            env=self.scene.plane.env,
            check=True,
            capture_output=True,
        )
        done = datetime.now(UTC)
        flow_run_id = str(self.scene.promotions(OURS)[0].flow_run_id)
        healthy = self.healthy_at(flow_run_id)
        ended = datetime.fromisoformat(self.scene.plane.api.run(flow_run_id)["end_time"])
        self.note("rollback, Sluice", (healthy - began).total_seconds())
        self.note("rollback, Sluice, and its report", (ended - began).total_seconds())
        self.note("rollback, Sluice, the command", (done - began).total_seconds())

    def healthy_at(self, flow_run_id: str) -> datetime:
        """Return when a run's smoke checks had passed: the script ends there."""

        def ends() -> list[datetime]:
            tasks = self.scene.plane.api.task_runs(flow_run_id)
            smoke = [task["end_time"] for task in tasks if task["name"].startswith("smoke")]
            return [datetime.fromisoformat(end) for end in smoke if end]

        # The server writes down what steps told it up to a second later.
        wait_until(lambda: bool(ends()), "the end of the smoke checks", seconds=30)
        return max(ends())

    def note_steps(self, run: Json) -> None:
        """Keep when each step of a promotion began and ended."""
        start = datetime.fromisoformat(run["start_time"])
        for task in self.scene.plane.api.task_runs(run["id"]):
            if task["start_time"] and task["end_time"]:
                begun, ended = (datetime.fromisoformat(task[name]) for name in ("start_time", "end_time"))
                span = ((begun - start).total_seconds(), (ended - start).total_seconds())
                self.steps.setdefault(task["name"], []).append(span)

    def first_step(self, run: Json) -> float:
        """Return the seconds from the run's creation to its first task run's start."""
        tasks = self.scene.plane.api.task_runs(run["id"])
        started = min(datetime.fromisoformat(task["start_time"]) for task in tasks if task["start_time"])
        return (started - datetime.fromisoformat(run["created"])).total_seconds()


def took(run: Json) -> float:
    """Return a run's seconds from its start to its end."""
    begun, ended = (datetime.fromisoformat(run[name]) for name in ("start_time", "end_time"))
    return (ended - begun).total_seconds()


def resident_bytes(scene: Scene) -> int:
    """Return the resident memory of server and worker with what they started."""
    total = 0
    for part in (scene.plane.server, scene.plane.worker):
        if part is not None:
            total += sum(_resident_bytes(one.pid) for one in processes.family(part.pid))
    return total


def _resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))


def fill(scene: Scene, environment: str, megabytes: int) -> str:
    """Fill an environment's database; return its size as PostgreSQL says it."""
    sql = (
        "create table ballast as select n as id, md5(n::text) || md5((n * 7)::text) as a from "
        f"generate_series(1, {megabytes * ROWS_PER_MB}) as n; "
        "select pg_size_pretty(pg_database_size(current_database()))"
    )
    found = scene.lab.servers[environment].run(
        ("docker", "exec", "shop-db-1", "psql", "-U", "shop", "-tA", "-q", "-c", sql)
    )
    return found.stdout.strip().splitlines()[-1]


def prepare(bench: Bench, megabytes: int) -> None:
    """Bring the first release to both servers, and fill both databases."""
    server = bench.scene.lab.servers[THEIRS]
    server.run(("install", "-d", "-o", "deploy", "-g", "deploy", "/home/deploy/byhand"))
    server.run(("tee", "/home/deploy/byhand/.env"), stdin=env_text(THEIRS))
    server.run(("install", "-d", "-o", "deploy", "-g", "deploy", "/home/deploy/.docker"))
    server.run(("tee", "/home/deploy/.docker/config.json"), stdin=bench.scene.lab.registry.docker_config())
    bench.logged_in.mkdir()
    (bench.logged_in / "config.json").write_text(bench.scene.lab.registry.docker_config())
    bench.by_hand("prepare")
    bench.sluice()
    for environment in (OURS, THEIRS):
        console.print(f"  database of {environment}: {fill(bench.scene, environment, megabytes)}")


def play(bench: Bench, rounds: int) -> int:
    """Measure; return the control plane's resident bytes."""
    memory = 0
    for number in range(1, rounds + 1):
        console.print(f"[bold]▸ round {number} of {rounds}[/bold]")
        for side in (ours, theirs) if number % 2 else (theirs, ours):
            side(bench, number)
        memory = max(memory, resident_bytes(bench.scene))
    return memory


def ours(bench: Bench, number: int) -> None:
    """One round of Sluice."""
    bench.change(bench.scene.shop, number, "sluice")
    run = bench.sluice()
    started = datetime.fromisoformat(run["start_time"])
    bench.note("promote, Sluice", (bench.healthy_at(run["id"]) - started).total_seconds())
    bench.note_steps(run)
    bench.note("promote, Sluice, and its report", took(run))
    bench.note("created → first step", bench.first_step(run))
    bench.note("no change, Sluice", took(bench.sluice()))
    bench.roll_back()


def theirs(bench: Bench, number: int) -> None:
    """One round of the shell script."""
    before = bench.plain.head
    bench.change(bench.plain, number, "by hand")
    bench.note("promote, by hand", bench.by_hand("promote"))
    bench.note("no change, by hand", bench.by_hand("promote"))
    bench.note("rollback, by hand", bench.by_hand("back", before))


def report(bench: Bench, memory: int, rounds: int) -> dict[str, Any]:
    """Return medians and ratios."""
    medians = {name: statistics.median(values) for name, values in bench.seconds.items()}
    ratios = {
        what: medians[f"{what}, Sluice"] / medians[f"{what}, by hand"]
        for what in ("promote", "no change", "rollback")
    }
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "loop_seconds": loop_seconds(),
        "rounds": rounds,
        "median_seconds": medians,
        "ratios": ratios,
        "control_plane_mib": memory / 2**20,
        "steps": steps_of(bench),
        "all_seconds": bench.seconds,
    }


def steps_of(bench: Bench) -> dict[str, tuple[float, float]]:
    """Return step → median seconds from a promotion's start to its beginning and end, the first step first."""
    spans = {
        name: (statistics.median(begun for begun, _ in pairs), statistics.median(ended for _, ended in pairs))
        for name, pairs in bench.steps.items()
    }
    return dict(sorted(spans.items(), key=lambda item: item[1]))


def loop_seconds() -> float:
    """Return how long ten million additions take here: what a reader compares machines by."""
    began = time.perf_counter()
    total = 0
    for number in range(10_000_000):
        total += number
    return time.perf_counter() - began


def main() -> int:
    """Run the benchmark; return the exit status."""
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=100, help="size of each database")
    parser.add_argument("--json", type=Path, help="write the result here as well")
    chosen = parser.parse_args()
    with open_scene(Lab.up) as scene:
        bench = Bench(scene, ShopRepository.create(scene.home / "plain"))
        console.print("[bold]▸ first release on both servers[/bold]")
        prepare(bench, chosen.megabytes)
        result = report(bench, play(bench, chosen.rounds), chosen.rounds)
    console.print()
    for name, seconds in result["median_seconds"].items():
        console.print(f"{name:<34}{seconds:8.2f} s  median of {len(bench.seconds[name])}")
    console.print(
        "\nsteps of a promotion by Sluice: median seconds from its start to their beginning and end"
    )
    for name, (begun, ended) in result["steps"].items():
        console.print(f"  {name:<34}{begun:8.2f}{ended:8.2f}")
    console.print()
    for name, ratio in result["ratios"].items():
        console.print(f"{name + ', Sluice / by hand':<34}{ratio:8.2f}")
    console.print(f"{'control plane, resident':<34}{result['control_plane_mib']:8.0f} MiB")
    console.print(f"{'ten million additions in Python':<34}{result['loop_seconds']:8.2f} s")
    if chosen.json:
        chosen.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
