"""A commit's files on the control machine, and what compose and BuildKit read from them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.adapters.protocols import Call, Limits
from tasks.commands.bake import print_json
from tasks.commands.compose import ComposeProject
from tasks.errors import RefusedError, TerminalError
from tasks.step import fact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.run import Run

_QUICK = Limits(120, 120)


@dataclass(frozen=True)
class Described:
    """How a commit describes itself, read from git alone.

    Attributes:
        sha: The commit.
        compose_files: The compose files, relative, in order.
        texts: Compose file → its text.
        variables: Values that satisfy what compose wants filled in; examples, never a host's own.
        required: The keys the env file on a host must have.
        env_files: Env files compose names and the commit lacks: the hosts have them.
        tracked: Every path of the commit.
        fixed_images: The services whose image is written without a variable.
    """

    sha: str
    compose_files: tuple[str, ...]
    texts: Mapping[str, str]
    variables: Mapping[str, str]
    required: tuple[str, ...]
    env_files: tuple[str, ...]
    tracked: frozenset[str]
    fixed_images: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Sources:
    """A commit's files, and what compose and BuildKit read from them.

    Attributes:
        described: How the commit describes itself.
        source: The checkout images are built from: exactly the commit.
        render: A second checkout, which compose reads; stand-ins fill in for the hosts' env files.
        config: What `docker compose config` says, as JSON data.
        bake: What `docker buildx bake --print` says, as JSON data; empty when it was not asked for.
    """

    described: Described
    source: Path
    render: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    bake: str = ""


@fact("check out")
def check_out(run: Run, *, described: Described, with_bake: bool) -> Sources:
    """Check a commit out and have compose and BuildKit read it.

    Running it twice is safe: a checkout that is complete is used again.

    Args:
        run: The promotion.
        described: How the commit describes itself.
        with_bake: True to read the build targets as well.

    Returns:
        The files and what they say.

    Raises:
        RefusedError: The compose files are not valid.
    """
    sha = described.sha
    source, render = run.work / "source" / sha, run.work / "render" / sha
    with ThreadPoolExecutor(2) as beside:
        checkout = beside.submit(run.mirror.checkout, sha, source)
        run.mirror.checkout(sha, render)
        _stand_in(render, described)
        bake = beside.submit(_bake_config, run, render, described) if with_bake else None
        # Compose's own word comes first: what it refuses, buildx refuses in its way.
        config = _compose_config(run, render, described)
        checkout.result()
        return Sources(
            described=described,
            source=source,
            render=render,
            config=config,
            bake=bake.result() if bake is not None else "",
        )


def _stand_in(render: Path, described: Described) -> None:
    """Write the env files compose wants to read and the commit lacks, with example values."""
    lines = "".join(f"{key}={json.dumps(value)}\n" for key, value in sorted(described.variables.items()))
    for name in described.env_files:
        path = render / name
        if path.resolve().is_relative_to(render.resolve()) and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(lines, "utf-8")


def _compose_config(run: Run, render: Path, described: Described) -> dict[str, Any]:
    project = ComposeProject(
        name=run.pipeline,
        directory=str(render),
        files=tuple(str(render / name) for name in described.compose_files),
        profiles=run.description.profiles,
    )
    call = Call(argv=project.config_json(), cwd=str(render), env=described.variables, limits=_QUICK)
    result = run.local.run(call)
    if not result.ok:
        said = result.tail(2).replace(f"{render}/", "")
        raise RefusedError(
            f"the compose files of {described.sha[:7]} are not valid: {said}", "correct them in the commit"
        )
    return dict(json.loads(result.stdout))


def _bake_config(run: Run, render: Path, described: Described) -> str:
    call = Call(
        argv=print_json(described.compose_files), cwd=str(render), env=described.variables, limits=_QUICK
    )
    result = run.local.run(call)
    if not result.ok:
        raise TerminalError(
            f"build: buildx cannot read the build sections of {described.sha[:7]}: {result.tail(2)}",
            "correct the compose files in the commit",
            result.tail(20),
        )
    return result.stdout
