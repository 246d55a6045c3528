"""A commit's files on the control machine, what compose reads from them, and what is built of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any

from tasks.host.compose import ComposeProject
from tasks.host.stand_ins import env_text, is_setting
from tasks.images.commands.build_definition import Checkouts, build_definition
from tasks.kernel.environment import reading_environment
from tasks.kernel.errors import RefusedError
from tasks.kernel.protocols import Call, Limits
from tasks.steps.step import fact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tasks.steps.run import Run

_QUICK = Limits(120, 120)
Read = Callable[[str], str | None]


@dataclass(frozen=True)
class DescribedCommit:
    """How a commit describes itself, read from git alone.

    Attributes:
        variables: Values that satisfy what compose wants filled in; examples, never a host's own.
        env_files: Env files compose names and the commit lacks: the hosts have them.
        fixed_images: The services whose image is written without a variable.
        check: Refuses, given what reads a file of the checkout, what compose must not read on the control machine.
    """

    sha: str
    compose_files: tuple[str, ...]
    texts: Mapping[str, str]
    variables: Mapping[str, str]
    required: tuple[str, ...]
    env_files: tuple[str, ...]
    tracked: frozenset[str]
    fixed_images: frozenset[str] = frozenset()
    check: Callable[[Read], None] = lambda _: None


@dataclass(frozen=True)
class Sources:
    """A commit's files, and what compose reads from them.

    Attributes:
        source: The checkout images are built from: exactly the commit.
        render: A second checkout, which compose reads; stand-ins fill in for the hosts' env files.
    """

    described: DescribedCommit
    source: Path
    render: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    bake: Mapping[str, Any] = field(default_factory=dict)


@fact("check out")
def check_out(run: Run, *, described: DescribedCommit, with_bake: bool) -> Sources:
    """Check a commit out and have compose read it.

    Running it twice is safe: a checkout that is complete is used again.

    Raises:
        RefusedError: The compose files are not valid, or compose or a build would read what is not in the commit.
    """
    sha = described.sha
    source, render = run.work / "source" / sha, run.work / "render" / sha
    with ThreadPoolExecutor(1) as beside:
        checkout = beside.submit(run.mirror.checkout, sha, source)
        run.mirror.checkout(sha, render)
        _unlink_ways_out(render, run.mirror.links(sha))
        # What compose will open, and not what git has under that name: links and attributes come in between.
        described.check(_reader(render))
        _stand_in(render, described)
        config = _compose_config(run, render, described)
        checkout.result()
    return Sources(
        described=described,
        source=source,
        render=render,
        config=config,
        bake=_definition(run, config, render, source) if with_bake else {},
    )


def build_secrets(run: Run) -> dict[str, str]:
    """Return build secret id → the variable that holds its value while BuildKit runs."""
    return {key: f"SLUICE_BUILD_SECRET_{n}" for n, key in enumerate(sorted(run.policy.build_secrets))}


def _definition(run: Run, config: Mapping[str, Any], render: Path, source: Path) -> Mapping[str, Any]:
    checkouts = Checkouts(str(render), str(source), os.path.realpath)
    return build_definition(config, checkouts, build_secrets(run))


def _unlink_ways_out(render: Path, links: Iterable[str]) -> None:
    """Remove the links that lead out of the commit, so that compose reads nothing outside as a part of it."""
    home = Path(os.path.realpath(render))
    for path in map(render.joinpath, links):
        if not Path(os.path.realpath(path)).is_relative_to(home):
            path.unlink(missing_ok=True)


def _reader(render: Path) -> Read:
    home = Path(os.path.realpath(render))

    def read(name: str) -> str | None:
        path = render / name
        # A name may be none: too long, or with characters that no file's name has.
        with suppress(OSError, ValueError):
            if Path(os.path.realpath(path)).is_relative_to(home) and path.is_file():
                return path.read_bytes().decode("utf-8-sig", errors="replace")
        return None

    return read


def _stand_ins(described: DescribedCommit) -> str:
    """Return the env file of examples; a key that a program takes for a setting is not among them."""
    return env_text({key: value for key, value in described.variables.items() if not is_setting(key)})


def _stand_in(render: Path, described: DescribedCommit) -> None:
    """Write the env files compose wants to read and the commit lacks, with example values."""
    for name in described.env_files:
        path = render / name
        # What can be no file's name is none on a host either, and compose says so.
        with suppress(OSError, ValueError):
            if path.resolve().is_relative_to(render.resolve()) and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(_stand_ins(described), "utf-8")


def _compose_config(run: Run, render: Path, described: DescribedCommit) -> dict[str, Any]:
    variables = run.work / "variables" / f"{described.sha}.env"
    variables.parent.mkdir(parents=True, exist_ok=True)
    # Another run may read the same commit: it finds the file whole.
    part = variables.with_name(f".{variables.name}.{os.getpid()}.{get_ident()}")
    part.write_text(_stand_ins(described), "utf-8")
    part.replace(variables)
    project = ComposeProject(
        name=run.pipeline,
        directory=str(render),
        env_file=str(variables),
        files=tuple(str(render / name) for name in described.compose_files),
        profiles=run.description.profiles,
    )
    environment = reading_environment(os.environ, str(render))
    call = Call(argv=project.config_json(), cwd=str(render), env=environment, alone=True, limits=_QUICK)
    result = run.local.run(call)
    if not result.ok:
        said = result.tail(2).replace(f"{render}/", "")
        raise RefusedError(
            f"the compose files of {described.sha[:7]} are not valid: {said}", _what_to_do(described, said)
        )
    return dict(json.loads(result.stdout))


def _what_to_do(described: DescribedCommit, said: str) -> str:
    untold = [name for name in described.variables if is_setting(name) and name in said]
    if not untold:
        return "correct them in the commit"
    return (
        f"compose gets no value for {untold[0]}, which programs use as a setting of their own: give it a "
        f"default in the compose file, as ${{{untold[0]}:-}}, or rename it"
    )
