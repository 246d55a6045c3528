"""`script/bench webhook`: signed deliveries from many connections, through an outage of Prefect and a kill.

Receiver, ledger, git repository and Prefect's server are real; the server is down for the first half, and the receiver
is killed once in the second. Then every delivery must have become exactly the runs it asks for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from blocks.git_repository import GitRepository
from blocks.values.deliveries import DELIVERY_ENDED, DeliveryStatus
from deployments.control_plane.environment import webhooks_url
from deployments.control_plane.parts import (
    start_receiver,
    start_server,
    wait_for_receiver,
    wait_for_server,
)
from tasks.ledger.store import Ledger
from tests.data import payload
from tests.deployments.webhook.prefect_server import deploy, runs_of
from tests.deployments.webhook.sender import BLOCK, headers
from tests.lab.plane import LabPlane
from tests.lab.ports import free_port
from tests.lab.repository import Repository

DONE_SECONDS = 900.0
LIMIT_MILLISECONDS = 100.0
PIPELINE = (
    "pipeline: shop\nenvironments:\n  feature: {hosts: a, branches: feature/*, triggers: {events: push}}\n"
)

console = Console(highlight=False)


@dataclass(frozen=True)
class Sent:
    """One delivery as it goes over the wire.

    Attributes:
        delivery: Its id.
        request: Headers and body.
        runs: How many runs it must become.
    """

    delivery: str
    request: bytes
    runs: int


@dataclass
class Tally:
    """What came back.

    Attributes:
        seconds: From the first byte sent to the answer, of each request that was answered.
        statuses: How often which status came.
        cut: How many connections the kill cut; what was under way is sent again, by the same id.
        acknowledged: The ids that were answered 2xx before the kill.
    """

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    cut: int = 0
    acknowledged: set[str] = field(default_factory=set)


def deliveries(shop: Repository, number: int, duplicates: int, host: str) -> tuple[list[Sent], list[Sent]]:
    """Make the deliveries: pushes of branches of their own, and some that must start nothing.

    Returns:
        The distinct ones, and all in the order they are sent, duplicates included.
    """
    distinct = number - duplicates
    stale, unknown = distinct // 45, distinct // 22
    refs = [f"refs/heads/feature/{index}" for index in range(distinct - stale - unknown)]
    at = shop.commits(refs)
    first = shop.git("rev-parse", "HEAD")
    made = [_push(ref, at[ref], host, runs=1) for ref in refs]
    made += [_push(refs[index], first, host, runs=0) for index in range(stale)]
    made += [_sent("star", {"action": "created", **_common()}, host, runs=0) for _ in range(unknown)]
    chosen = random.Random(20251125)
    sent = made + chosen.sample(made, duplicates)
    chosen.shuffle(sent)
    return made, sent


def _common() -> dict[str, object]:
    push = payload("push_branch")
    return {"repository": push["repository"], "sender": push["sender"], "unique": str(uuid.uuid4())}


def _push(ref: str, sha: str, host: str, *, runs: int) -> Sent:
    raw = {**payload("push_branch"), **_common(), "ref": ref, "after": sha}
    return _sent("push", {**raw, "head_commit": {**raw["head_commit"], "id": sha}}, host, runs=runs)


def _sent(event: str, raw: dict[str, object], host: str, *, runs: int) -> Sent:
    body = json.dumps(raw).encode()
    sent = headers(body, event)
    lines = ["POST /webhooks/github HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in sent.items()]
    return Sent(sent["X-GitHub-Delivery"], "\r\n".join([*lines, "", ""]).encode() + body, runs)


async def send_all(port: int, sent: Sequence[Sent], connections: int, tally: Tally, rate: float = 0) -> None:
    """Send deliveries over some connections, each again until it is answered with 2xx.

    Args:
        port: The receiver's port.
        sent: The deliveries, in their order.
        connections: How many connections share them.
        tally: Is told what came back.
        rate: How many are sent each second; 0: as many as the connections carry.
    """
    queue, began = enumerate(sent), time.monotonic()

    async def connection() -> None:
        streams = None
        for number, one in queue:
            if rate:
                await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            while True:
                try:
                    if streams is None:
                        streams = await asyncio.open_connection("127.0.0.1", port)
                    status, seconds = await _exchange(*streams, one.request)
                except (OSError, asyncio.IncompleteReadError):
                    tally.cut += streams is not None
                    streams = None
                    await asyncio.sleep(0.2)
                    continue
                tally.seconds.append(seconds)
                tally.statuses[status] += 1
                if status in {200, 202}:
                    tally.acknowledged.add(one.delivery)
                    break
                streams = None
                await asyncio.sleep(0.2)
        if streams is not None:
            streams[1].close()

    await asyncio.gather(*(connection() for _ in range(connections)))


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, float]:
    began = time.perf_counter()
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    seconds = time.perf_counter() - began
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.partition(b":")[2]))
    return int(head.split(b" ", 2)[1]), seconds


@dataclass
class Bench:
    """The receiver between a repository and a Prefect server, all of its own."""

    plane: LabPlane
    ledger: Ledger
    port: int
    rate: float

    def start_server(self) -> None:
        """Start Prefect's server and wait for it."""
        self.plane.server = start_server(self.plane.home, self.plane.env)
        wait_for_server(self.plane.server, self.plane.port)

    def start_receiver(self) -> None:
        """Start the receiver and wait until it takes deliveries."""
        self.plane.receiver = start_receiver(self.plane.home, self.plane.env)
        wait_for_receiver(self.plane.receiver, webhooks_url(self.plane.env), 60)

    async def play(self, sent: Sequence[Sent], connections: int) -> tuple[Tally, Tally, int]:
        """Send everything; return what came back in each half, and how many were acknowledged and not in the ledger."""
        half = len(sent) // 2
        console.print("▸ Prefect's server is down")
        self.plane.stop_server()
        first, second = Tally(), Tally()
        await send_all(self.port, sent[:half], connections, first, self.rate)
        console.print(f"  {half} deliveries sent; {self.standing()}")
        console.print("▸ Prefect's server comes back")
        await asyncio.to_thread(self.start_server)
        sending = asyncio.create_task(send_all(self.port, sent[half:], connections, second, self.rate))
        while len(second.acknowledged) < half // 2 and not sending.done():
            await asyncio.sleep(0.001)
        assert self.plane.receiver is not None
        os.kill(self.plane.receiver.pid, signal.SIGKILL)
        acknowledged = first.acknowledged | second.acknowledged
        console.print(f"▸ the receiver is killed after {len(acknowledged)} acknowledged ids")
        missing = len(acknowledged - self.stored())
        await asyncio.to_thread(self.start_receiver)
        await sending
        return first, second, missing

    def stored(self) -> set[str]:
        """Return the ids of the deliveries in the ledger."""
        return {row.delivery for row in self.ledger.deliveries.newest(100_000)}

    def standing(self) -> str:
        """Say how many deliveries stand where."""
        return ", ".join(
            f"{number} {status}" for status, number in sorted(self.ledger.deliveries.counts().items())
        )

    def wait(self) -> float:
        """Wait until every delivery has ended; return the seconds."""
        began = time.monotonic()
        while set(self.ledger.deliveries.counts()) - DELIVERY_ENDED:
            if time.monotonic() - began > DONE_SECONDS:
                raise RuntimeError(f"not done after {DONE_SECONDS:.0f} s: {self.standing()}")
            time.sleep(0.5)
        return time.monotonic() - began


def judge(bench: Bench, made: Sequence[Sent]) -> dict[str, int]:
    """Compare the runs Prefect has with those the deliveries ask for."""
    keys = Counter(str(run["idempotency_key"]).partition(":")[0] for run in runs_of(bench.plane.api.url))
    ended = bench.ledger.deliveries.counts()
    known = {one.delivery for one in made}
    return {
        "deliveries": len(made),
        "runs wanted": sum(one.runs for one in made),
        "runs made": keys.total(),
        "lost": sum(keys[one.delivery] < one.runs for one in made) + len(known - bench.stored()),
        "doubled": sum(keys[one.delivery] > one.runs for one in made)
        + sum(number for delivery, number in keys.items() if delivery not in known),
        "failed": ended.get(DeliveryStatus.FAILED, 0),
    }


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return median, 99th percentile and worst of the acknowledgements, in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100)
    return {"p50": 1000 * cuts[49], "p99": 1000 * cuts[98], "worst": 1000 * max(seconds)}


def main() -> int:
    """Run the benchmark; return the exit status."""
    parser = argparse.ArgumentParser(prog="script/bench webhook", description=__doc__)
    parser.add_argument("--deliveries", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument(
        "--rate", type=float, default=100, help="deliveries each second; 0: as many as the connections carry"
    )
    parser.add_argument("--json", type=Path, help="write the result here as well")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = run(Path(folder), chosen.deliveries, chosen.connections, chosen.rate)
    for name, value in result.items():
        console.print(f"{name:<34}{value:>10.1f}" if isinstance(value, float) else f"{name:<34}{value:>8}")
    if chosen.json:
        chosen.json.write_text(json.dumps(result, indent=2) + "\n")
    good = not result["lost"] and not result["doubled"] and not result["failed"]
    return 0 if good and float(result["acknowledged, p99 in ms"]) <= LIMIT_MILLISECONDS else 1


def run(folder: Path, number: int, connections: int, rate: float) -> dict[str, float | int]:
    """Play it in a folder; return the numbers."""
    home, port = folder / "home", free_port()
    inherited = {
        **os.environ,
        "SLUICE_LEDGER_URL": f"sqlite:///{home / 'ledger.db'}",
        "SLUICE_WEBHOOK_PORT": str(port),
    }
    shop = Repository.with_pipeline(folder / "shop", PIPELINE)
    made, sent = deliveries(shop, number, number // 10, f"127.0.0.1:{port}")
    plane = LabPlane(home, inherited=inherited)
    with Ledger.open(inherited["SLUICE_LEDGER_URL"]) as ledger:
        bench = Bench(plane, ledger, port, rate)
        try:
            console.print(
                f"▸ {number} deliveries, {number // 10} of them repeated, {connections} connections"
            )
            bench.start_server()
            plane.activate()
            deploy(plane.api.url)
            BLOCK.save("default")
            GitRepository(url=str(shop.path)).save("default")
            bench.start_receiver()
            first, second, missing = asyncio.run(bench.play(sent, connections))
            seconds = bench.wait()
            console.print(f"  all ended; {bench.standing()}")
            judged = judge(bench, made)
        finally:
            plane.stop(seconds=0)
    times = first.seconds + second.seconds
    return {
        **judged,
        "acknowledged and not in the ledger": missing,
        "connections the kill cut": first.cut + second.cut,
        **{
            f"answers {status}": count for status, count in sorted((first.statuses + second.statuses).items())
        },
        **{f"acknowledged, {name} in ms": value for name, value in percentiles(times).items()},
        "the same, Prefect down, p99 in ms": percentiles(first.seconds)["p99"],
        "until the last run, seconds": seconds,
    }


if __name__ == "__main__":
    sys.exit(main())
