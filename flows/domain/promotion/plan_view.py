"""The plan as people read it: Markdown for artifact and form, rows for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blocks.values.plans import KeyChange, Plan
from blocks.values.releases import Commit, Revision
from flows.domain.database.evidence_view import evidence_markdown, evidence_rows
from flows.domain.rollback.view import way_markdown, way_rows
from flows.domain.words.durations import human_duration
from flows.domain.words.text import code, escape, fenced, one_line, table
from tasks.kernel.text import human_bytes

_MOST_ROWS = 50
_DIGEST_LENGTH = 12
_DEFAULTED = (
    "pipeline.yaml of the default branch as it is now; the commit's own does not describe this environment"
)


def plan_markdown(plan: Plan) -> str:
    """Render a plan; whatever comes from outside is escaped."""
    title = f"## {escape(plan.pipeline)} {code(plan.commit.short)} → {escape(plan.environment)}"
    sections = [
        title,
        table(("What", "Change"), [(f"**{name}**", text) for name, text in _summary(plan)]),
        *way_markdown(plan),
        *_commits("New commits", plan.commits),
        *_commits("Commits that are removed", plan.commits_leaving),
        *_images(plan),
        *_revisions("Migrations that would run", plan.pending),
        *evidence_markdown(plan),
        *_revisions("Migrations that the database has but this release does not know", plan.ahead),
        *_keys(plan.key_changes),
        *_compose(plan.compose_diff),
    ]
    return "\n\n".join(sections) + "\n"


def plan_text(plan: Plan) -> list[tuple[str, str]]:
    """Render a plan for the terminal.

    Returns:
        Rows of name and plain text, one printable line each; to be printed without markup.
    """
    rows = [(name, one_line(text, 400)) for name, text in _plain_summary(plan)]
    rows += way_rows(plan)
    rows += [("commit", _plain_commit(commit)) for commit in plan.commits]
    rows += [("commit out", _plain_commit(commit)) for commit in plan.commits_leaving]
    rows += [(f"image {one_line(name)}", one_line(text)) for name, text, _ in _image_rows(plan)]
    rows += [("migration", one_line(f"{one.id} {one.message}")) for one in plan.pending]
    rows += evidence_rows(plan)
    rows += [("migration ahead", one_line(f"{one.id} {one.message}")) for one in plan.ahead]
    rows += [(f"key {how}", ", ".join(map(one_line, names))) for how, names in _key_rows(plan.key_changes)]
    rows += [("compose", one_line(line, 400)) for line in plan.compose_diff.splitlines()]
    return rows


def _plain_commit(commit: Commit) -> str:
    return one_line(f"{commit.short} {commit.subject} ({commit.author_name})", 160)


def _plain_summary(plan: Plan) -> list[tuple[str, str]]:
    return [
        ("release", plan.release_id),
        ("environment", f"{plan.pipeline} {plan.environment}"),
        ("runs now", plan.running_release_id or "nothing"),
        *((name.lower(), text) for name, text in _figures(plan)),
        ("plan", plan.hash[:_DIGEST_LENGTH]),
    ]


def _summary(plan: Plan) -> list[tuple[str, str]]:
    commit = plan.commit
    return [
        ("Release", code(plan.release_id)),
        ("Commit", f"{code(commit.short)} {escape(commit.subject)} ({escape(commit.author_name, 60)})"),
        ("Runs now", code(plan.running_release_id) if plan.running_release_id else "nothing"),
        *((name, escape(text, 400)) for name, text in _figures(plan)),
        ("Plan", code(plan.hash[:_DIGEST_LENGTH])),
    ]


def _figures(plan: Plan) -> list[tuple[str, str]]:
    return [
        ("Images", f"{len(plan.images_changed)} of {len(plan.images)} change"),
        ("Migrations", _migrations(plan)),
        ("Backup", _backup(plan)),
        ("Expected", _expected(plan)),
        ("Approvals", _approvals(plan)),
        *([("Described by", _DEFAULTED)] if plan.description_checksum else []),
    ]


def _migrations(plan: Plan) -> str:
    if not plan.pending_known:
        return "not known; some may run"
    at = f"the database is at {one_line(plan.revision, 60)}" if plan.revision else "no revision known yet"
    if plan.ahead:
        return f"none, {len(plan.ahead)} more than this release knows; {at}"
    return f"{len(plan.pending)} would run; {at}" if plan.pending else "none"


def _backup(plan: Plan) -> str:
    if not plan.backup:
        return "none"
    size = f", database of {human_bytes(plan.database_bytes)}" if plan.database_bytes is not None else ""
    return f"taken first{size}"


def _expected(plan: Plan) -> str:
    return (
        "not known yet" if plan.expected_seconds is None else f"about {human_duration(plan.expected_seconds)}"
    )


def _approvals(plan: Plan) -> str:
    if not plan.approvals_required:
        return "none needed"
    return (
        f"{plan.approvals_required} of {', '.join(one_line(name, 40) for name in plan.approvers) or 'nobody'}"
    )


def _commits(title: str, commits: Sequence[Commit]) -> list[str]:
    rows = [
        (
            code(commit.short),
            escape(commit.subject),
            escape(commit.author_name, 60),
            f"{commit.committed_at:%Y-%m-%d %H:%M}",
        )
        for commit in commits[:_MOST_ROWS]
    ]
    return _section(f"{title} ({len(commits)})", ("Commit", "Subject", "Author", "When"), rows, len(commits))


def _images(plan: Plan) -> list[str]:
    rows = [cells for _, _, cells in _image_rows(plan)]
    return _section("Images", ("Image", "Services", "Digest", "Change"), rows[: 2 * _MOST_ROWS], len(rows))


def _image_rows(plan: Plan) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Give of each image its name, its line for the terminal, and its cells for the table."""
    for image in plan.images:
        services, digest = ", ".join(image.services), _short(image.digest)
        state = _state(changed=image.target in plan.images_changed)
        cells = (code(image.target), escape(services, 200), code(digest), state)
        yield image.target, f"{digest} {state} ({services})", cells
    for service, reference in sorted(plan.third_party.items()):
        name, digest = one_line(reference.partition("@")[0], 120), _short(reference.partition("@")[2])
        state = _state(changed=service in plan.third_party_changed)
        shown = code(digest) if digest else "not known, the tag counts"
        yield (
            service,
            f"{name} {digest or 'by its tag'} {state}",
            (code(name), escape(service, 200), shown, state),
        )


def _revisions(title: str, revisions: Sequence[Revision]) -> list[str]:
    rows = [(code(revision.id), escape(revision.message)) for revision in revisions[:_MOST_ROWS]]
    return _section(f"{title} ({len(revisions)})", ("Revision", "What it does"), rows, len(revisions))


def _keys(keys: KeyChange) -> list[str]:
    rows = [(how, ", ".join(map(code, names))) for how, names in _key_rows(keys)]
    return _section("Environment keys", ("Keys", "Names"), rows, len(rows))


def _key_rows(keys: KeyChange) -> list[tuple[str, tuple[str, ...]]]:
    rows = [("missing", keys.missing), ("added", keys.added), ("removed", keys.removed)]
    return [(how, names) for how, names in rows if names]


def _compose(diff: str) -> list[str]:
    return ["### Compose files", fenced(diff, "diff")] if diff else []


def _section(title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]], total: int) -> list[str]:
    if not rows:
        return []
    more = [f"… and {total - len(rows)} more"] if total > len(rows) else []
    return [f"### {title}", table(head, rows), *more]


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:_DIGEST_LENGTH]


def _state(*, changed: bool) -> str:
    return "changes" if changed else "same"
