"""What the pending migrations would do, asked of the new image with the environment's own variables."""

from __future__ import annotations

import ast
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from blocks.values.base import Value
from blocks.values.releases import Revision
from tasks.adapters.protocols import Call, Limits
from tasks.commands.alembic import parse_history
from tasks.commands.docker import remove_container
from tasks.errors import TerminalError, TransientError
from tasks.reading import read_containers
from tasks.step import fact, log

if TYPE_CHECKING:
    from tasks.adapters.protocols import Host, Result
    from tasks.commands.compose import ComposeProject
    from tasks.run import Run

_LARGEST_SOURCE = 1_000_000
# Where more changed than this, looking through all of it takes longer than waiting.
_MOST_CHANGED = 500
# Docker's own exit status for what it could not carry to its end, whatever the command was.
_ENGINE_FAILED = 125


# Side by side: both import the application. The list comes last, so that it cannot stand within the SQL.
_TELL = """
mark=$1 span=$2
shift 2
"$@" upgrade "$span" --sql &
told=$("$@" history)
listed=$?
wait "$!"
rendered=$?
printf '\\n%s %s\\n%s\\n' "$mark" "$listed" "$told"
exit "$rendered"
"""


class Rendered(Value):
    """What the migration tool printed.

    Attributes:
        text: Its standard output: SQL, with a line before each migration that says where it goes.
        exit_code: Its exit status; SQL before a failure can look whole and is not.
        reason: Why it failed, one line; empty where it did not.
    """

    text: str
    exit_code: int
    reason: str = ""


class Told(Value):
    """What the new image tells of its migrations.

    Attributes:
        revisions: All that it knows, oldest first.
        rendered: The SQL of the pending ones.
    """

    revisions: tuple[Revision, ...]
    rendered: Rendered


@fact("list and render migrations")
def tell_migrations(
    run: Run, *, host: str, project: ComposeProject, start: str, container: str
) -> Told | None:
    """Have the new image list its Alembic migrations and print the SQL of the pending ones, in one container.

    It is what `list migrations` and `render migrations` do one after the other. Running it twice is safe: it only
    reads, in a container of its own that is removed.

    Args:
        run: The promotion.
        host: The host, whose env file the image is given.
        project: The compose project on the new release's bundle.
        start: The revision the database stands at.
        container: The one-off container's name.

    Returns:
        Both; None where one of them failed, or the image has no shell: asked for each by itself, it says why.

    Raises:
        TransientError: The host does not answer.
        TerminalError: It took longer than the migration itself may.
    """
    migration = run.description.migration
    words = migration.alembic if migration else None
    if migration is None or words is None:
        return None
    mark = f"sluice-{token_hex(16)}"
    command = ("sh", "-c", _TELL, "sluice", mark, f"{start}:{migration.target}", *words)
    result = _run_once(run, host, project, command, container)
    sql, found, rest = result.stdout.rpartition(f"\n{mark} ")
    listed, _, history = rest.partition("\n")
    if not (result.ok and found and listed == "0"):
        return None
    return Told(revisions=parse_history(history), rendered=Rendered(text=sql, exit_code=0))


@fact("render migrations")
def render_migrations(
    run: Run, *, host: str, project: ComposeProject, start: str | None, container: str
) -> Rendered:
    """Have the new image print the SQL of the pending migrations; no database is asked or changed.

    Running it twice is safe: it only reads, in a container of its own that is removed.

    Args:
        run: The promotion.
        host: The host, whose env file the image is given: tools import the application's settings first.
        project: The compose project on the new release's bundle.
        start: The revision the database stands at, None for a database without any.
        container: The one-off container's name.

    Returns:
        What was printed. A tool that cannot render says so in it; that is no error here.

    Raises:
        TransientError: The host does not answer.
        TerminalError: It took longer than the migration itself may.
    """
    migration = run.description.migration
    if migration is None:
        raise RuntimeError("there is no migration to render")
    words = migration.alembic
    if words is not None:
        span = f"{start}:{migration.target}" if start else migration.target
        command = (*words, "upgrade", span, "--sql")
    elif migration.sql is not None:
        command = migration.sql
    else:
        return Rendered(
            text="", exit_code=1, reason="the tool has no `migration.sql` command that prints its SQL"
        )
    result = _run_once(run, host, project, command, container)
    if not result.ok:
        log().warning("%s: the pending migrations cannot be rendered whole: %s", host, result.reason())
    return Rendered(
        text=result.stdout, exit_code=result.exit_code, reason="" if result.ok else result.reason()[:500]
    )


@fact("list pending migrations")
def list_pending(run: Run, *, host: str, project: ComposeProject, container: str) -> tuple[Revision, ...]:
    """Have a tool that is not Alembic name its pending migrations, with the new image and the live database.

    Running it twice is safe: the command only reads.

    Args:
        run: The promotion.
        host: The host.
        project: The compose project on the new release's bundle.
        container: The one-off container's name.

    Returns:
        One for each line the command printed, in its order.

    Raises:
        TransientError: The host does not answer.
        TerminalError: The command failed.
    """
    migration = run.description.migration
    if migration is None or migration.revisions is None:
        return ()
    result = _run_once(run, host, project, migration.revisions, container)
    if not result.ok:
        raise TerminalError(
            f"plan: `{' '.join(migration.revisions)}` fails on {host}: {result.reason()}",
            "correct migration.revisions in the commit's pipeline.yaml, or the image",
            result.tail(30),
        )
    lines = (line.strip() for line in result.stdout.splitlines())
    return tuple(Revision(id=line[:200]) for line in dict.fromkeys(lines) if line)


def _run_once(
    run: Run, host: str, project: ComposeProject, command: tuple[str, ...], container: str
) -> Result:
    """Run a command that only reads in a container of its own, which nothing routes requests to."""
    migration = run.description.migration
    if migration is None:
        raise RuntimeError("there is no migration to ask about")
    there, limits = run.hosts[host], Limits(migration.timeout, migration.timeout)
    there.run(Call(argv=remove_container(container), limits=Limits(60, 60)))
    argv = project.run_once(migration.service, command, name=container, no_deps=True)
    result = there.run(Call(argv=argv, limits=limits))
    if result.exit_code == _ENGINE_FAILED or (not result.ok and _engine_gone(run, there, result)):
        raise TransientError(
            f"plan: {host} does not carry `{' '.join(migration.alembic or command)}` out: {result.reason()}",
            "look at the Docker engine there",
        )
    return result


def _engine_gone(run: Run, there: Host, result: Result) -> bool:
    """Say whether a command failed because the engine did: compose has the same exit status for both."""
    if "docker daemon" in result.stderr.lower():
        return True
    try:
        read_containers(there, run.pipeline)
    except TerminalError:
        return True
    return False


def revision_sources(checkout: Path, revisions: tuple[str, ...]) -> dict[str, str]:
    """Find the files of Alembic's revisions in a checkout: SQL alone does not show what their Python does.

    Args:
        checkout: The commit's files.
        revisions: The revisions to look for.

    Returns:
        Revision → the text of its file; without those that are not found.
    """
    wanted, found = set(revisions), {}
    for path in sorted(checkout.rglob("*.py")):
        if wanted and path.is_file() and not path.is_symlink() and path.stat().st_size <= _LARGEST_SOURCE:
            text = path.read_text("utf-8", "replace")
            revision = _revision_of(text) if any(one in text for one in wanted) else None
            if revision in wanted:
                wanted.discard(revision)
                found[revision] = text
    return found


def brings_revisions(checkout: Path, changed: frozenset[str]) -> bool:
    """Say whether what changed in a checkout looks like migrations of Alembic: a guess, made before the image tells.

    Args:
        checkout: The commit's files.
        changed: The paths that changed.
    """
    paths = [checkout / name for name in changed if name.endswith(".py")]
    return len(paths) <= _MOST_CHANGED and any(map(_is_revision, paths))


def _is_revision(path: Path) -> bool:
    if not path.is_file() or path.is_symlink() or path.stat().st_size > _LARGEST_SOURCE:
        return False
    text = path.read_text("utf-8", "replace")
    return "down_revision" in text and _revision_of(text) is not None


def _revision_of(text: str) -> str | None:
    """Return the identifier a revision file assigns to `revision`."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return None
    for line in body:
        targets = line.targets if isinstance(line, ast.Assign) else [getattr(line, "target", None)]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        value = getattr(line, "value", None)
        if names == ["revision"] and isinstance(value, ast.Constant) and isinstance(value.value, str):
            return value.value
    return None
