"""Images from a commit: built once, all of them side by side, pushed, and known by digest ever after."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex
from typing import TYPE_CHECKING

from blocks.values.receipts import BuildReceipt, PushReceipt
from tasks.host.alembic import parse_history
from tasks.host.confined import ConfinedService
from tasks.images.commands.bake import WITHOUT_GIT, BuildTarget, bake
from tasks.images.confined import ask, ask_either_way
from tasks.images.sources import build_secrets
from tasks.kernel.errors import TerminalError
from tasks.kernel.protocols import Call, Limits
from tasks.steps.secrets import read_secret
from tasks.steps.step import fact, log, step

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from blocks.values.releases import Revision
    from tasks.images.sources import Sources
    from tasks.steps.run import Run


def repository_of(run: Run, target: BuildTarget) -> str:
    """Return the repository a target's image is kept in."""
    return f"{run.registry_prefix}/{run.pipeline}/{target.path}"


@fact("look up images")
def find_images(run: Run, *, targets: tuple[BuildTarget, ...], sha: str) -> dict[str, str]:
    """Ask the registry which of a commit's images it has.

    Running it twice is safe: it only reads.

    Returns:
        Target name → digest, for those that are there.
    """
    with ThreadPoolExecutor(max_workers=8) as pool:
        digests = pool.map(lambda target: run.registry.digest(repository_of(run, target), sha), targets)
        return {
            target.name: digest for target, digest in zip(targets, digests, strict=True) if digest is not None
        }


@step("build", BuildReceipt)
def build(
    run: Run,
    *,
    sources: Sources,
    targets: tuple[BuildTarget, ...],
    labels: Mapping[str, str],
) -> BuildReceipt:
    """Build a commit's images with BuildKit, all in one go.

    Running it twice is safe: BuildKit's cache has what was built.

    Raises:
        TerminalError: The build failed, or took too long; the builder's last lines are in the log.
    """
    began = time.monotonic()
    description = run.description.build
    sha = sources.described.sha
    argv = bake(
        str(_definition(run, sources)),
        {target.name: f"{repository_of(run, target)}:{sha}" for target in targets},
        labels=labels,
        args=description.args,
        platforms=description.platforms,
    )
    secrets = build_secrets(run).items()
    hidden = {variable: read_secret(run.policy.build_secrets[key]) for key, variable in secrets}
    result = run.local.run(
        Call(
            argv=argv,
            # Bake reads `.env` of the folder it runs in, and says what it cannot read there; newer ones ask before they
            # read outside of it.
            cwd=str(sources.source.parent),
            env={**WITHOUT_GIT, **hidden},
            limits=Limits(description.timeout, description.idle_timeout),
        ),
        on_line=log().info,
    )
    if not result.ok:
        raise TerminalError(
            f"build: the images of {sha[:7]} cannot be built: {_reason(result.stderr)}",
            "the builder's output is in this run's log; fix the Dockerfile or the commit and promote again",
            result.tail(40),
        )
    return BuildReceipt(built=tuple(target.name for target in targets), seconds=time.monotonic() - began)


def _definition(run: Run, sources: Sources) -> Path:
    path = run.work / "bake" / f"{sources.described.sha}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(sources.bake), "utf-8")
    return path


def _reason(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    telling = [line for line in lines if "ERROR" in line or line.startswith("error")]
    return (telling or lines or ["no output"])[-1][:300]


@step("push", PushReceipt)
def push(run: Run, *, target: str, repository: str, tags: tuple[str, ...]) -> PushReceipt:
    """Push one image under its tags.

    Running it twice is safe: what the registry has under the commit's tag is not pushed again.

    Args:
        tags: Its tags; the first is the commit id.
    """
    began = time.monotonic()
    digest = run.registry.digest(repository, tags[0]) or run.engine.push(repository, tags[0])
    for tag in tags[1:]:
        run.registry.tag(repository, digest, tag)
    log().info("%s pushed: %s", target, digest)
    return PushReceipt(repository=repository, digest=digest, seconds=time.monotonic() - began)


@fact("list migrations")
def list_revisions(run: Run, *, service: ConfinedService) -> tuple[Revision, ...]:
    """Ask the new image which migrations it knows, on the control machine, in a confined container.

    Running it twice is safe: it only reads.

    Returns:
        The migrations, oldest first; none for a tool that is not Alembic.
    """
    migration = run.description.migration
    words = migration.alembic if migration else None
    if migration is None or words is None:
        return ()
    answer = ask_either_way(
        run.local,
        service,
        (*words, "history"),
        container=f"sluice-list-{token_hex(8)}",
        seconds=migration.timeout,
        login=run.registry_login,
    )
    if not answer.ok and service != (bare := ConfinedService(image=service.image)):
        # A list needs no settings as a rule, and an example may be worse than none: `1` is no address.
        again = ask(
            run.local,
            bare,
            (*words, "history"),
            container=f"sluice-list-{token_hex(8)}",
            seconds=migration.timeout,
        )
        answer = again if again.ok else answer
    if not answer.ok:
        raise TerminalError(
            f"plan: `{' '.join(words)} history` fails in {service.image}: {answer.why}",
            "correct migration.command in the commit's pipeline.yaml, the image, or the example values in "
            ".env.example: before approval an image gets nothing else, and can write to /tmp and the service's "
            "`tmpfs` and volumes only",
            answer.result.tail(30),
        )
    return parse_history(answer.text)
