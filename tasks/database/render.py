"""What the pending migrations would do, asked of the new image before anybody approved it."""

from __future__ import annotations

import ast
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from blocks.values.base import Value
from blocks.values.evidence import NO_SQL_COMMAND, Rendered
from blocks.values.releases import Revision
from tasks.host.alembic import parse_history, parse_pending
from tasks.host.alembic import pending as pending_of
from tasks.images.confined import ask, ask_either_way
from tasks.steps.step import fact, log

if TYPE_CHECKING:
    from tasks.host.confined import ConfinedService
    from tasks.steps.run import Run

_LARGEST_SOURCE = 1_000_000
# Where more changed than this, looking through all of it takes longer than waiting.
_MOST_CHANGED = 500

# Side by side: both import the application. The list comes last, so that it cannot stand within the SQL. The mark keeps
# the two apart; it proves nothing, for an image can print any list.
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


class ToldMigrations(Value):
    """What the new image tells of its migrations."""

    revisions: tuple[Revision, ...]
    rendered: Rendered


@fact("list and render migrations")
def tell_migrations(
    run: Run, *, host: str, service: ConfinedService, start: str, container: str
) -> ToldMigrations | None:
    """Have the new image list its Alembic migrations and print the SQL of the pending ones, in one container.

    It is what `list migrations` and `render migrations` do one after the other. Running it twice is safe: it only
    reads, in a confined container that is removed.

    Returns:
        Both; None where one of them failed, or the image has no shell: asked for each by itself, it says why.
    """
    migration = run.description.migration
    words = migration.alembic if migration else None
    if migration is None or words is None:
        return None
    mark = f"sluice-{token_hex(16)}"
    command = ("sh", "-c", _TELL, "sluice", mark, f"{start}:{migration.target}", *words)
    answer = ask(run.hosts[host], service, command, container=container, seconds=migration.timeout)
    sql, found, rest = answer.text.rpartition(f"\n{mark} ")
    listed, _, history = rest.partition("\n")
    if not (answer.ok and found and listed == "0"):
        return None
    return ToldMigrations(revisions=parse_history(history), rendered=Rendered(text=sql, exit_code=0))


@fact("render migrations")
def render_migrations(
    run: Run, *, host: str, service: ConfinedService, start: str | None, container: str
) -> Rendered:
    """Have the new image print the SQL of the pending migrations; no database is asked or changed.

    Running it twice is safe: it only reads, in a confined container that is removed.

    Args:
        start: The revision the database stands at, None for a database without any.

    Returns:
        What was printed. A tool that cannot render so says so in it; that is no error here.
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
        return NO_SQL_COMMAND
    answer = ask_either_way(run.hosts[host], service, command, container=container, seconds=migration.timeout)
    if not answer.ok:
        log().warning("%s: the pending migrations are not rendered: %s", host, answer.why)
    code = 0 if answer.ok else answer.result.exit_code or 1
    return Rendered(text=answer.text, exit_code=code, reason=answer.why)


@fact("list pending migrations")
def list_pending(
    run: Run, *, host: str, service: ConfinedService, container: str, current: tuple[str, ...] = ()
) -> tuple[Revision, ...] | None:
    """Have a release name its pending migrations that did not name them when it was built.

    Alembic lists all it has, which is compared with where the database stands; another tool is asked what is pending,
    where it can tell without a database.

    Running it twice is safe: it only reads, in a confined container that is removed.

    Args:
        current: The revisions the database stands at; none where it has none, or they are not known.

    Returns:
        The pending migrations: of another tool one for each line the command printed, in its order. None where it
        failed or printed nothing, which without the database says nothing.
    """
    migration = run.description.migration
    words = migration.alembic if migration else None
    command = (*words, "history") if words is not None else migration.revisions if migration else None
    if migration is None or command is None:
        return ()
    answer = ask_either_way(run.hosts[host], service, command, container=container, seconds=migration.timeout)
    named = _named(answer.text, current, alembic=words is not None) if answer.ok else None
    if named is None:
        why = answer.why or "it printed no migration"
        log().warning("%s: `%s` does not name what is pending: %s", host, " ".join(command), why)
    return named


def _named(text: str, current: tuple[str, ...], *, alembic: bool) -> tuple[Revision, ...] | None:
    if not alembic:
        return parse_pending(text) or None
    listed = parse_history(text)
    # Nothing is right where there are no migrations yet, and nowhere else.
    return pending_of(listed, current) if listed or not (current or text.strip()) else None


def revision_sources(checkout: Path, revisions: tuple[str, ...]) -> dict[str, str]:
    """Find the files of Alembic's revisions in a checkout: SQL alone does not show what their Python does.

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
    """Say whether what changed in a checkout looks like migrations of Alembic: a guess, made before the image tells."""
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
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for line in body:
        targets = line.targets if isinstance(line, ast.Assign) else [getattr(line, "target", None)]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        value = getattr(line, "value", None)
        if names == ["revision"] and isinstance(value, ast.Constant) and isinstance(value.value, str):
            return value.value
    return None
