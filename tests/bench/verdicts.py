"""`python -m tests.bench.verdicts`: how long the verdicts of 1,000 migrations take, the linter included."""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable
from typing import TypeVar, cast

from rich.console import Console

from blocks.values.releases import Revision
from flows.domain.database.verdicts import judge_migrations, split_rendered
from tasks.adapters.local import LocalRunner
from tasks.database.engine.protocols import ColumnFacts
from tasks.database.lint import lint_migrations
from tasks.database.postgresql import POSTGRESQL
from tasks.steps.run import Run
from tests.flows.domain.database.verdicts.corpus import CASES, FOLDER, SIZES

T = TypeVar("T")
console = Console(highlight=False)


class Local:
    """What the linter's task needs of a run."""

    local = LocalRunner()


def rendered(count: int) -> tuple[str, tuple[Revision, ...]]:
    """Return one text as Alembic would print it, of the corpus over and over, and its revisions."""
    bodies = [case.sql.rstrip(";") for case in CASES if case.live]
    parts, revisions = ["BEGIN;\n"], []
    for number, body in zip(range(count), itertools.cycle(bodies), strict=False):
        name, before = f"{number:06}", f"{number - 1:06}" if number else ""
        parts.append(f"-- Running upgrade {before} -> {name}\n\n{body};\n")
        parts.append(
            f"UPDATE alembic_version SET version_num='{name}' WHERE alembic_version.version_num = '{before}';\n"
        )
        revisions.append(Revision(id=name, down=(before,) if before else (), message=f"number {number}"))
    return "\n".join([*parts, "COMMIT;\n"]), tuple(revisions)


def sources(revisions: tuple[Revision, ...]) -> dict[str, str]:
    """Return a revision file for each, of the corpus over and over."""
    texts = [path.read_text("utf-8") for path in sorted((FOLDER / "alembic").glob("*.py"))]
    return {one.id: text for one, text in zip(revisions, itertools.cycle(texts), strict=False)}


def timed(name: str, seconds: dict[str, list[float]], work: Callable[[], T]) -> T:
    """Do the work and keep how long it took."""
    began, worked = time.perf_counter(), processor_seconds()
    done = work()
    seconds.setdefault(name, []).append(time.perf_counter() - began)
    seconds.setdefault(f"{name}, of the processor", []).append(processor_seconds() - worked)
    return done


def processor_seconds() -> float:
    """Return the processor's time so far, of ended children too: on a busy machine the clock tells less."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def measure(count: int, seconds: dict[str, list[float]]) -> None:
    """Do all that a promotion does for the verdicts once."""
    text, revisions = rendered(count)
    files = sources(revisions)
    run = cast("Run", Local())
    began, worked = time.perf_counter(), processor_seconds()
    migrations = timed(
        "taken apart", seconds, lambda: split_rendered(text, revisions, 0, "", POSTGRESQL.judge)
    )
    lint = timed(
        "linted",
        seconds,
        lambda: lint_migrations.fn(
            run,
            linter=POSTGRESQL.judge.LINTER,
            migrations={one.revision: one.sql for one in migrations},
        ),
    )
    verdicts = timed(
        "judged",
        seconds,
        lambda: judge_migrations(
            migrations, POSTGRESQL, facts=ColumnFacts(sizes=SIZES), lint=lint, sources=files
        ),
    )
    seconds.setdefault("all", []).append(time.perf_counter() - began)
    seconds.setdefault("all, of the processor", []).append(processor_seconds() - worked)
    if len(verdicts) != count or not all(one.complete for one in migrations) or not lint:
        raise RuntimeError("the benchmark's migrations were not all judged")


def main() -> None:
    """Measure and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--migrations", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    seconds: dict[str, list[float]] = {}
    for _ in range(given.rounds):
        measure(given.migrations, seconds)
    console.print(
        f"{given.migrations} migrations, median (lowest to highest) of {given.rounds} rounds, seconds"
    )
    for name, values in seconds.items():
        console.print(
            f"  {name:<32}{statistics.median(values):7.2f}  ({min(values):.2f} to {max(values):.2f})"
        )


if __name__ == "__main__":
    main()
