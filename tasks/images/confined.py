"""Asking a commit's image something before anybody approved: with no network, no right and no value of a host."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tasks.host.confined import MOST_BYTES, MOST_SECONDS, TOO_MUCH, ConfinedService, confine
from tasks.host.read import QUICK
from tasks.host.scripts import login as logged_in
from tasks.kernel.archive import tar_of
from tasks.kernel.errors import TransientError
from tasks.kernel.protocols import Call, Limits
from tasks.kernel.redact import reason_line

if TYPE_CHECKING:
    from collections.abc import Collection

    from tasks.images.sources import Sources
    from tasks.kernel.protocols import Result, Runner

# For a second try, by the image's own entrypoint, which may wait for what is not there.
_SECOND_SECONDS = 60.0
_SLACK_SECONDS = 30.0
_PULL = Limits(900, 900)
# Docker's own exit status for what it could not carry to its end, whatever the command was.
_ENGINE_FAILED = 125


@dataclass(frozen=True)
class ConfinedAnswer:
    """What an image said.

    Attributes:
        text: Its standard output; empty where it was longer than what is kept.
        why: Why it is not known, one line; empty where it is.
    """

    text: str
    why: str
    result: Result

    @property
    def ok(self) -> bool:
        """True where the image answered."""
        return not self.why


def confined(sources: Sources, service: str, *, image: str, shared: Collection[str] = ()) -> ConfinedService:
    """Return a service of a commit as it is asked before anybody approved.

    Args:
        shared: Paths of the bundle that lead to a host's own data or env files.
    """
    tracked, root = sources.described.tracked, sources.source.resolve()

    def in_bundle(path: str) -> bool:
        known = path == "." or path in tracked or any(one.startswith(f"{path}/") for one in tracked)
        hidden = any(path == one or path.startswith(f"{one}/") for one in shared)
        return known and not hidden and (root / path).resolve() == root / path

    return confine(
        sources.config,
        service,
        image=image,
        project_dir=str(sources.render),
        examples=sources.described.variables,
        in_bundle=in_bundle,
    )


def placed(service: ConfinedService, *, directory: str, release_id: str) -> ConfinedService:
    """Return a service as it is asked on a host that has the release's bundle."""
    return replace(service, bundle=f"{directory}/releases/{release_id}", folder=f"{directory}/rehearsals")


def ask(
    runner: Runner,
    service: ConfinedService,
    words: tuple[str, ...],
    *,
    container: str,
    seconds: float,
    starts: bool = False,
    login: str = "",
) -> ConfinedAnswer:
    """Ask an image once.

    Args:
        login: The Docker configuration (JSON) with which the image is fetched where it is not there; empty where it
            must be there.
    """
    bound = min(seconds, MOST_SECONDS)
    argv = service.ask(words, container=container, seconds=bound, starts=starts)
    stdin = tar_of(service.files) if service.files else None
    limits = Limits(bound + _SLACK_SECONDS, bound + _SLACK_SECONDS)
    return _answer(_run(runner, Call(argv=argv, stdin=stdin, limits=limits), service.image, login), bound)


def _run(runner: Runner, call: Call, image: str, login: str) -> Result:
    """Run a container; one that the engine did not carry to its end says nothing of the image."""
    result = runner.run(call)
    if result.exit_code != _ENGINE_FAILED:
        return result
    if not runner.run(Call(("docker", "version"), limits=QUICK)).ok:
        raise TransientError(
            f"plan: {image} cannot be asked for its migrations on {runner.name}: {result.reason()}",
            "check the Docker engine there",
        )
    if login:
        pull = logged_in(("docker", "pull", "--quiet", image))
        pulled = runner.run(Call(argv=pull, stdin=login.encode(), limits=_PULL))
        if not pulled.ok:
            return pulled
    # The engine is back, or it refuses this container; once more, it says which.
    return runner.run(call)


def _answer(result: Result, bound: float) -> ConfinedAnswer:
    if len(result.stdout.encode()) > MOST_BYTES:
        return ConfinedAnswer("", TOO_MUCH, result)
    if result.ok:
        return ConfinedAnswer(result.stdout, "", result)
    late = f"it did not end within {bound:.0f} s" if result.seconds >= bound else ""
    return ConfinedAnswer(
        "" if late else result.stdout,
        late or reason_line(result.reason()) or f"status {result.exit_code}",
        result,
    )


def ask_either_way(
    runner: Runner,
    service: ConfinedService,
    words: tuple[str, ...],
    *,
    container: str,
    seconds: float,
    login: str = "",
) -> ConfinedAnswer:
    """Ask an image by the command alone, and where that fails by way of its entrypoint; see `ask`."""
    answer = ask(runner, service, words, container=container, seconds=seconds, login=login)
    if answer.ok:
        return answer
    bound = min(seconds, _SECOND_SECONDS)
    again = ask(runner, service, words, container=container, seconds=bound, starts=True, login=login)
    return again if again.ok else answer
