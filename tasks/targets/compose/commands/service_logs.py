"""PURE: the script that reads containers' logs on a host, and the parser of what it prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from blocks.values.facts import ContainerFact
from tasks.host.scripts import script
from tasks.kernel.argv import Argv, name

# MARK LINES BYTES, then triples of CONTAINER SECONDS UNTIL. The mark is drawn for each call, so no log can hold it.
# The newest lines are kept: `docker logs` counts back from the end. UNTIL asks for the beginning as well, up to then.
LOGS = r"""
mark=$1 lines=$2 bytes=$3
shift 3
printf '%s now %s\n' "$mark" "$(date +%s)"
while [ "$#" -gt 2 ]; do
  printf '%s log %s\n' "$mark" "$1"
  { docker logs --timestamps --since="$2s" --tail="$lines" "$1" 2>&1; printf '\n%s end %s\n' "$mark" "$?"; } |
    tail -c "$bytes"
  if [ -n "$3" ]; then
    printf '%s start %s\n' "$mark" "$1"
    docker logs --timestamps --until="$3" "$1" 2>&1 | head -c "$bytes"
    printf '\n%s end 0\n' "$mark"
  fi
  shift 3
done
"""

MOST_LINES = 10_000
MOST_BYTES = 2 * 1024 * 1024
# Of all containers of a host together, in one look.
MOST_BYTES_AT_ONCE = 16 * 1024 * 1024


@dataclass(frozen=True)
class ContainerLog:
    """What one container logged.

    Attributes:
        lines: The lines without their timestamps, oldest first.
        readable: False where the engine cannot read them back, such as those of another log driver.
        capped: True where older lines were left out.
        seconds: The time between the first line and the last.
        problem: The engine's words where it is not readable.
    """

    lines: tuple[str, ...]
    readable: bool = True
    capped: bool = False
    seconds: float = 0.0
    problem: str = ""


@dataclass(frozen=True)
class HostLogs:
    """What the containers of a host logged.

    Attributes:
        now: The host's own clock, UTC.
        containers: Container id → its log.
        starts: Container id → the beginning of its log, where it was asked for.
    """

    now: datetime
    containers: Mapping[str, ContainerLog]
    starts: Mapping[str, ContainerLog]


def bytes_of(parts: int) -> int:
    """Return how many bytes are read of each of so many logs."""
    return min(MOST_BYTES, MOST_BYTES_AT_ONCE // max(1, parts))


def read_logs(mark: str, since: Mapping[str, int], until: Mapping[str, datetime] | None = None) -> Argv:
    """Return the command that prints containers' logs.

    Times are counted back from now: the host's clock need not agree with ours.

    Args:
        mark: A word no log can know.
        since: Container id → how many seconds to go back.
        until: Container id → up to when the beginning of its log is read as well, by the host's clock, UTC.
    """
    parts = len(since) + len(until or {})
    ends = {container: f"{moment:%Y-%m-%dT%H:%M:%S}Z" for container, moment in (until or {}).items()}
    asked = [
        word
        for container, seconds in since.items()
        for word in (name(container, "container"), str(max(1, seconds)), ends.get(container, ""))
    ]
    return script(LOGS, "sluice-logs", mark, str(MOST_LINES), str(bytes_of(parts)), *asked)


def parse_logs(mark: str, text: str) -> HostLogs:
    """Read what `read_logs` printed.

    Returns:
        The logs; a container whose log was cut off is not readable.
    """
    now = datetime.fromtimestamp(0, UTC)
    found: dict[str, dict[str, ContainerLog]] = {"log": {}, "start": {}}
    part, container, kept = "", "", list[str]()
    most = bytes_of(text.count(f"\n{mark} log ") + text.count(f"\n{mark} start "))
    for line in text.split("\n"):
        what, _, value = line.removeprefix(f"{mark} ").partition(" ")
        if not line.startswith(f"{mark} "):
            kept.append(line)
        elif what == "now":
            now = datetime.fromtimestamp(int(value), UTC)
        elif what in found:
            part, container, kept = what, value, []
            found[part][container] = ContainerLog((), readable=False, problem="its log was cut off")
        elif what == "end":
            found[part][container] = _log(kept, readable=value == "0", most=most)
    return HostLogs(now, found["log"], found["start"])


def _log(lines: Sequence[str], *, readable: bool, most: int) -> ContainerLog:
    stamped = [line.rstrip("\r").partition(" ") for line in lines if line.strip()]
    if not readable:
        problem = " ".join(" ".join(part) for part in stamped[-1:])
        return ContainerLog((), readable=False, problem=" ".join(problem.split())[:200])
    # The bytes' end may have cut the first line in two.
    whole = [(moment, text) for stamp, _, text in stamped if (moment := parse_moment(stamp)) is not None]
    size = sum(len(line.encode()) + 1 for line in lines)
    return ContainerLog(
        tuple(text for _, text in whole),
        capped=len(whole) >= MOST_LINES or size >= most - 4096,
        seconds=(whole[-1][0] - whole[0][0]).total_seconds() if whole else 0.0,
    )


def made(containers: Sequence[ContainerFact]) -> dict[str, datetime]:
    """Return when containers were made, by the host's clock, UTC; those of which it is not known are left out."""
    return {one.id: moment for one in containers if (moment := parse_moment(one.created_at)) is not None}


def parse_moment(text: str) -> datetime | None:
    """Read a moment as the engine writes it: `2026-11-26T06:00:00.123456789Z`.

    Returns:
        It, to the microsecond, UTC; None where it is none, or the engine's word for never.
    """
    try:
        found = datetime.fromisoformat(f"{text[:19]}+00:00")
    except ValueError:
        return None
    digits = text[20:].rstrip("Z").partition("+")[0]
    part = int(digits[:6].ljust(6, "0")) if digits[:6].isdecimal() and digits.isascii() else 0
    return found.replace(microsecond=part) if found.year > 1 else None
