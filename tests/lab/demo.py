"""The demonstration: the example application's whole life, on the lab's real servers.

Run by `script/demo`. Its exit status says whether every stage ended as it should.
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from tasks.kernel.errors import SluiceError, TerminalError
from tests.lab.down import take_down
from tests.lab.lab import Lab
from tests.lab.scene import Scene, open_scene
from tests.lab.settings import CHECKOUT, Settings
from tests.lab.shell import LabError

console = Console(highlight=False, soft_wrap=True)


@dataclass
class Tale:
    """What the demonstration tells and keeps count of.

    Attributes:
        scene: Where it plays.
        began: When, on the monotonic clock.
        wrong: What did not end as it should.
    """

    scene: Scene
    began: float = field(default_factory=time.monotonic)
    wrong: list[str] = field(default_factory=list)

    def stage(self, title: str, act: Callable[[], dict[str, Any]], state: str) -> None:
        """Play one stage: a run that must end in a state."""
        console.print(f"[bold]▸ {title}[/bold]")
        began = time.monotonic()
        run = act()
        took = time.monotonic() - began
        name, message = run["state"]["name"], run["state"]["message"] or ""
        good = name == state
        mark = "[green]✔[/green]" if good else "[red]✘[/red]"
        console.print(
            f"  {mark} {name} after {took:.1f} s  {message.splitlines()[0][:150] if message else ''}"
        )
        if not good:
            self.wrong.append(f"{title}: ended {name}, expected {state}: {message[:300]}")

    def expect(self, environment: str, version: str) -> None:
        """Ask an environment's application which version it is."""
        found = str(self.scene.serves(environment).get("version"))
        good = found == version
        console.print(
            f"  {'[green]✔[/green]' if good else '[red]✘[/red]'} {environment} answers: version {found}"
        )
        if not good:
            self.wrong.append(f"{environment} answers version {found}, expected {version}")


def play(scene: Scene) -> Tale:
    """Carry the shop through its four versions.

    Args:
        scene: The lab, ready.

    Returns:
        What happened.
    """
    tale = Tale(scene)
    shop = scene.shop

    def through(what: str, version: str) -> None:
        tale.stage(f"{what} → feature", lambda: scene.promote("feature"), "Completed")
        to_prod(what, version)

    def to_prod(what: str, version: str) -> None:
        tale.stage(f"{what} → staging", lambda: scene.promote("staging"), "Completed")
        shop.tag(f"v{version}")
        tale.stage(
            f"{what} → prod: tag v{version}, approved by ana with a one-time code",
            lambda: scene.promote_approved("prod", f"v{version}"),
            "Completed",
        )
        tale.expect("prod", version)

    through("v1", "1.0.0")
    shop.advance("v2")
    through("v2, with a migration", "1.1.0")
    shop.advance("v3")
    tale.stage("v3, never healthy → staging", lambda: scene.promote("staging"), "Restored")
    tale.expect("staging", "1.1.0")
    shop.advance("v4")
    to_prod("v4, wrong prices", "1.2.1")
    tale.stage("prefect deployment run rollback/prod", lambda: roll_back(scene), "Completed")
    tale.expect("prod", "1.1.0")
    return tale


def roll_back(scene: Scene) -> dict[str, Any]:
    """Type what somebody would type at 3 a.m., and wait for the end."""
    command = (sys.executable, "-m", "prefect", "deployment", "run", "rollback/prod")
    typed = subprocess.run(
        (*command, "--param", "reason=the prices are wrong", "--param", "requested_by=dora"),
        env=scene.plane.env,
        check=True,
        capture_output=True,
        text=True,
    )
    found = re.search(r"UUID: ([0-9a-f-]{36})", typed.stdout)
    if found is None:
        raise TerminalError("`prefect deployment run` named no run", "look at its output", typed.stdout)
    return scene.ended(found[1])


def show(scene: Scene) -> list[str]:
    """Print what runs where, the history, and the addresses to open.

    Args:
        scene: Where the demonstration was played.

    Returns:
        The commands that failed.
    """
    failed = []
    asked = (("status",), ("history", "--limit", "30"))
    # A person reads one while the other is on its way, in colours.
    watched = sys.stdout.isatty()

    def typed(words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        argv = (sys.executable, "-m", "deployments.cli.main", *words)
        env = scene.plane.env
        return subprocess.run(argv, check=False, env=env, cwd=CHECKOUT, capture_output=not watched, text=True)

    with ThreadPoolExecutor() as pool:
        begun = {} if watched else {words: pool.submit(typed, words) for words in asked}
        for words in asked:
            console.print(f"\n[bold]▸ sluice {' '.join(words)}[/bold]")
            done = begun[words].result() if begun else typed(words)
            console.out(f"{done.stdout or ''}{done.stderr or ''}", end="")
            if done.returncode:
                failed.append(f"sluice {' '.join(words)}: exit code {done.returncode}")
    console.print(f"\nPrefect UI      {scene.plane.url}")
    console.print(
        f"its login       {scene.plane.login.place} (paste the whole line at {scene.plane.url}/login)"
    )
    for name, server in scene.lab.servers.items():
        console.print(f"{name:<15} http://{server.address}:8080")
    console.print(f"ledger          sqlite:///{scene.home / 'ledger.db'}")
    return failed


def interrupt(*_: object) -> None:
    """End the demonstration from wherever it is: everything it started is stopped on the way out."""
    raise KeyboardInterrupt


def main() -> int:
    """Play the demonstration; return the exit status."""
    parser = argparse.ArgumentParser(prog="script/demo", description="The example application's whole life.")
    parser.add_argument("--once", action="store_true", help="take everything down at the end")
    once = parser.parse_args().once or not sys.stdout.isatty()
    began = time.monotonic()
    # A shell that starts a command in the background makes it ignore SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    # A lab that was up before belongs to somebody who goes on using it.
    ours = not Settings().description.exists()
    try:
        console.print(
            "[bold]▸ lab[/bold]: a registry and three servers, each with its own sshd and Docker engine; "
            "beside it Prefect's server and a worker"
        )
        with open_scene(Lab.up, home=Path(Settings().directory) / "demo") as scene:
            console.print(f"  [green]✔[/green] up after {time.monotonic() - began:.1f} s")
            tale = play(scene)
            tale.wrong += show(scene)
            for line in tale.wrong:
                console.print(f"[red]✘ {line}[/red]")
            console.print(
                f"\n{'Every stage ended as it should' if not tale.wrong else 'Not as it should'}"
                f" ({time.monotonic() - began:.0f} s)"
            )
            if not once:
                console.print("Up until Ctrl-C.")
                with suppress(KeyboardInterrupt):
                    threading.Event().wait()
    except (SluiceError, LabError) as error:
        console.print(f"[red]{error}[/red]")
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; what the demonstration started is stopped")
        return 130
    finally:
        if ours:
            take_down(Settings(), purge=False)
    return 1 if tale.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
