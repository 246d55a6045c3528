"""What an engine leaves in the kernel's tables, and what the kernel knows about processes and the way out."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from tests.lab.shell import run

_NETWORKS = Path("/sys/class/net")
_BRIDGE = re.compile(r"docker0|br-[0-9a-f]{12}")
_DOCKER_RULE = re.compile(r"DOCKER| docker0\b| br-[0-9a-f]{12}\b")
_USUAL_MTU = 1500


def read_mtu() -> int:
    """The largest packet that the machine's way out carries, in bytes."""
    with suppress(OSError, StopIteration):
        routes = [line.split() for line in Path("/proc/net/route").read_text().splitlines()]
        device = next(fields[0] for fields in routes if fields[1] == "00000000")
        return int((_NETWORKS / device / "mtu").read_text())
    return _USUAL_MTU


def runs(pid: int) -> bool:
    """Whether a process runs; a zombie does not, and one of our own is buried."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        Path(f"/proc/{pid}/exe").readlink()
    except OSError:
        return False
    return True


def remove_bridges() -> None:
    """Removes Docker's bridges that nothing is connected to any more."""
    for device in _NETWORKS.iterdir():
        ports = device / "brif"
        if _BRIDGE.fullmatch(device.name) and ports.exists() and not any(ports.iterdir()):
            run(("ip", "link", "delete", device.name), check=False)


def remove_rules() -> None:
    """Removes Docker's packet filter rules and leaves all others as they are."""
    for program in ("iptables", "ip6tables"):
        saved = run((f"{program}-save",), check=False).stdout
        kept = "".join(f"{line}\n" for line in saved.splitlines() if not _DOCKER_RULE.search(line))
        if kept.count("\n") != saved.count("\n"):
            # Docker forbids forwarding when it is the first to need it.
            run((f"{program}-restore",), stdin=kept.replace(":FORWARD DROP", ":FORWARD ACCEPT"), check=False)
