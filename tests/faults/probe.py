"""Asks the application's smoke checks on its server, again and again, past cut networks and dead engines' proxies."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import Self

from tests.lab.server import Server

# Docker's own bridge: its address is the server's also where the network is cut, and the kernel, not a process of the
# engine, leads what is sent there to the container.
ADDRESS = "172.17.0.1"
PORT = "8080"

_CHECK = """
ask() {
  exec 3<>"/dev/tcp/$1/$2" || return 1
  printf 'GET %s HTTP/1.0\\r\\nHost: shop\\r\\n\\r\\n' "$3" >&3
  cat <&3
  exec 3>&-
}
health=$(ask "$1" "$2" /api/health 2>/dev/null) || exit 1
page=$(ask "$1" "$2" / 2>/dev/null) || exit 1
[[ $health == "HTTP/1."?" 200"* && $page == "HTTP/1."?" 200"* ]] || exit 1
printf '%s\\n' "${health##*$'\\n'}"
"""
_LOOP = """
while :; do
  answer=$(timeout 3 bash -c "$1" check "$2" "$3") || answer=
  printf '%s %s\\n' "$EPOCHREALTIME" "$answer"
  # The end of standard input says that nobody listens any more; the time-out is the pause.
  IFS= read -r -t 0.2
  (($? > 128)) || exit
done
"""


def ask(server: Server) -> dict[str, str]:
    """Ask both smoke checks of the shop once; return what the health check says, empty where one fails."""
    asked = server.run(("timeout", "5", "bash", "-c", _CHECK, "check", ADDRESS, PORT), check=False)
    return health_of(asked.stdout) if asked.returncode == 0 else {}


def health_of(text: str) -> dict[str, str]:
    """Read the health check's answer; empty unless its status is `ok`."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    good = isinstance(found, dict) and found.get("status") == "ok"
    return {name: str(value) for name, value in found.items()} if good else {}


@dataclass
class Probe:
    """Watches the application while a fault is played.

    Attributes:
        server: Where it runs.
        answers: When each check was answered, in seconds since the epoch, and whether it passed.
    """

    server: Server
    answers: list[tuple[float, bool]] = field(default_factory=list)
    _asking: subprocess.Popen[str] | None = None
    _stopped: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        """Begin to ask."""
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop asking."""
        self._stopped.set()
        if self._asking is not None:
            self._asking.kill()

    def silent_seconds(self, since: float, until: float) -> float:
        """Return for how long no check passed between two moments."""
        return silence(self.answers, since, until)

    def _watch(self) -> None:
        while not self._stopped.is_set():
            inside = ("docker", "exec", "--interactive", self.server.container)
            with subprocess.Popen(
                (*inside, "bash", "-c", _LOOP, "probe", _CHECK, ADDRESS, PORT),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            ) as self._asking:
                for line in self._asking.stdout or ():
                    when, _, answer = line.partition(" ")
                    # Docker's own words come between, where the server goes away while the loop is started.
                    if when.replace(".", "", 1).isdigit():
                        self.answers.append((float(when), bool(health_of(answer))))
            # The server was switched off: until it is back, nothing answers.
            self.answers.append((time.time(), False))
            self._stopped.wait(0.2)


def silence(answers: list[tuple[float, bool]], since: float, until: float) -> float:
    """Return for how long nothing answered.

    Args:
        answers: When each check was answered, and whether it passed; oldest first.
        since: From when, in seconds since the epoch.
        until: Until when.

    Returns:
        Seconds, from each first failed check to the next one that passed.
    """
    total, silent_from = 0.0, None
    for when, good in answers:
        if not since <= when <= until:
            continue
        if good and silent_from is not None:
            total += when - silent_from
            silent_from = None
        elif not good and silent_from is None:
            silent_from = when
    return total + (until - silent_from if silent_from is not None else 0.0)
