"""Commands in comments: `/promote ENV [REF]` and `/rollback ENV [RELEASE]`, by the people a pipeline lists."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from blocks.values.deliveries import Start
from blocks.values.lifecycle import Kind
from flows.domain.triggers.events import Event, same_name
from flows.domain.words.text import one_line

_COMMANDS = {"/promote": Kind.PROMOTE, "/rollback": Kind.ROLLBACK}
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+@-]{0,199}")
_MOST_WORDS = 3


def comment_starts(
    event: Event, allowed: Mapping[str, Sequence[str]], request: Event | None
) -> tuple[Start | None, str]:
    """Decide what a comment starts.

    Args:
        allowed: Environment → the logins that may start a run there.
        request: What was told last about the pull request the comment is on.
    """
    words = event.command.split()
    kind = _COMMANDS.get(words[0]) if words else None
    if kind is None:
        return None, "the comment is no command"
    if not 1 < len(words) <= _MOST_WORDS or not all(_WORD.fullmatch(word) for word in words[1:]):
        return None, f"expected {words[0]} ENV, and at most one word more"
    environment, asked = words[1], "".join(words[2:])
    if environment not in allowed:
        return None, f"there is no environment {one_line(environment)}"
    if not any(same_name(event.sender, login) for login in allowed[environment]):
        return None, f"{one_line(event.sender)} may not start runs in {environment} by comments"
    ref, refusal = (asked, "") if asked or kind is Kind.ROLLBACK else _of_request(event, request)
    if refusal:
        return None, refusal
    start = Start(
        environment=environment,
        kind=kind,
        ref=ref,
        by_commit=False,
        requested_by=event.sender,
        reason=f"{words[0]} by {event.sender}, comment on #{event.number}" if kind is Kind.ROLLBACK else "",
    )
    return start, f"comment {words[0]} by {one_line(event.sender)}"


def _of_request(event: Event, request: Event | None) -> tuple[str, str]:
    """Return the commit of the pull request a comment is on, empty on an issue; or why there is none."""
    if not event.on_request:
        return "", ""
    if request is None:
        return "", "this pull request is not known: name the branch, /promote ENV BRANCH"
    if request.foreign:
        return "", "the pull request is from a fork"
    if not request.sha:
        return "", "the commit of this pull request is not known: name it, /promote ENV COMMIT"
    return request.sha, ""
