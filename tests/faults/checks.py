"""What must be true when a fault is over, whatever the run made of it."""

from __future__ import annotations

from blocks.values.lifecycle import ENDED
from tests.faults.probe import ask
from tests.faults.setting import ENVIRONMENT, PIPELINE, Setting
from tests.lab.shell import LabError, wait_until

ANSWER_SECONDS = 90
SERVICES = ("backend", "db", "frontend", "scheduler", "worker")
FOLDER = "/home/deploy/sluice/shop"


def problems(setting: Setting) -> list[str]:
    """Look at the server and the ledger, and say what is not as it must be."""
    found = [*_application(setting), *_ledger(setting), *_host(setting)]
    return [line for line in found if line]


def _application(setting: Setting) -> list[str]:
    """It answers its smoke checks, and it is the release the ledger says."""
    try:
        wait_until(lambda: bool(ask(setting.server)), "an answer", seconds=ANSWER_SECONDS, every_seconds=0.5)
    except LabError:
        return ["the application does not answer its smoke checks"]
    answers, running = ask(setting.server).get("version"), setting.running()
    named = setting.version_of(running) if running else "nothing"
    return [] if answers == named else [f"version {answers} answers, and the ledger says {named} runs"]


def _ledger(setting: Setting) -> list[str]:
    """Every promotion has ended, and nobody holds the environment."""
    found = [
        f"promotion {row.id} is still {row.status}" for row in setting.promotions() if row.status not in ENDED
    ]
    lease = setting.ledger.leases.get(PIPELINE, ENVIRONMENT)
    if lease is not None and lease.owner is not None:
        found.append(f"promotion {lease.owner} still holds the lease")
    return found


def _host(setting: Setting) -> list[str]:
    """No command runs on, and nothing half-made is left."""
    server = setting.server
    names = server.run(("docker", "ps", "--all", "--format", "{{.Names}}")).stdout.split()
    others = sorted(set(names) - {f"shop-{service}-1" for service in SERVICES})
    found = [f"the container {name} is left" for name in others]
    halves = server.run(
        ("find", FOLDER, "-name", "*.part", "-o", "-name", "*.new", "-o", "-name", ".*.old")
    ).stdout.split()
    found += [f"{path} is left" for path in halves]
    if server.run(("flock", "-n", "-x", f"{FOLDER}/lock", "true"), check=False).returncode != 0:
        found.append("a command still holds the host's lock")
    return found
