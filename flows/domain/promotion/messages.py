"""The texts of notifications: plain text, short enough for every channel."""

from __future__ import annotations

from blocks.values.base import Value
from blocks.values.plans import Plan
from flows.domain.approvals.values import QuorumState
from flows.domain.words.durations import human_duration
from flows.domain.words.text import one_line, printable

# Telegram counts UTF-16 units and refuses a longer text whole.
LIMIT = 4096
_MOST_COMMITS = 10


class Subject(Value):
    """What a notification is about.

    Attributes:
        commit: The release's commit, short.
    """

    pipeline: str
    environment: str
    release_id: str
    commit: str
    title: str = ""
    requested_by: str = ""
    link: str = ""


def waiting(subject: Subject, plan: Plan, quorum: QuorumState) -> str:
    """Ask people for their approval."""
    commits = [f"- {one_line(commit.subject, 100)}" for commit in plan.commits[:_MOST_COMMITS]]
    more = len(plan.commits) - len(commits)
    migrations = str(len(plan.pending)) if plan.pending_known else "an unknown number of"
    return _text(
        "Approval needed",
        subject,
        f"{quorum.have} of {quorum.need} approvals are given; asked: {', '.join(quorum.missing) or 'nobody'}",
        *commits,
        f"… and {more} more commits" if more else "",
        f"{migrations} migrations, {len(plan.images_changed)} of {len(plan.images)} images change",
        f"Plan {plan.hash[:12]}",
    )


def succeeded(subject: Subject, seconds: float) -> str:
    """Tell that a release runs."""
    return _text("Succeeded", subject, f"took {human_duration(seconds)}")


def failed(subject: Subject, error: str, note: str = "") -> str:
    """Tell that a promotion failed, was refused, rejected, or left something broken."""
    return _text("Failed", subject, one_line(error, 1000), note)


def restored(subject: Subject, previous_release_id: str, error: str) -> str:
    """Tell that a release failed and the previous one runs again."""
    back = f"{previous_release_id} runs again and its smoke checks passed"
    return _text("Failed and rolled back", subject, one_line(error, 1000), back)


def rolled_back(subject: Subject, left_release_id: str, cause: str, warnings: tuple[str, ...] = ()) -> str:
    """Tell that an environment went back to an earlier release.

    Args:
        subject: What it is about; its release is the one that runs now.
    """
    held = f"{left_release_id} is on hold: `sluice unhold {subject.environment} --reason …` removes the hold"
    why = f"cause: {one_line(cause, 500)}" if cause.strip() else ""
    return _text("Rolled back", subject, why, held, *warnings)


def _text(word: str, subject: Subject, *lines: str) -> str:
    by = f", asked for by {one_line(subject.requested_by, 60)}" if subject.requested_by else ""
    title = f" {one_line(subject.title, 100)}" if subject.title else ""
    head = f"{word}: {subject.pipeline} {subject.commit}{title} → {subject.environment}{by}"
    return cut("\n".join(printable(line) for line in (head, *lines, subject.link) if line))


def cut(text: str, limit: int = LIMIT) -> str:
    """Cut a text to a channel's limit.

    Args:
        limit: The most UTF-16 units, at least 1.
    """
    units = text.encode("utf-16-le", "replace")
    if len(units) <= 2 * limit:
        return text
    return units[: 2 * (limit - 1)].decode("utf-16-le", "ignore") + "…"
