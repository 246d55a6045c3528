"""Whose work comes in: those who may not approve it where the policy excludes authors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.kernel.errors import SluiceError
from tasks.steps.step import log

if TYPE_CHECKING:
    from blocks.values.plans import Plan
    from tasks.git.mirror import GitMirror
    from tasks.ledger.store import Ledger


def authors_of(mirror: GitMirror, ledger: Ledger, plan: Plan) -> frozenset[str]:
    """Return the names and e-mails of all who wrote a commit that comes in, also of those the plan does not list.

    Where nothing runs yet, or the repository has lost what runs, any commit of the history may come in.

    Returns:
        The names and e-mails; none where the authors are not all known, and so nobody can be told apart from them.
    """
    running = ledger.releases.get(plan.running_release_id) if plan.running_release_id else None
    old = running.commit.sha if running is not None and mirror.has_commit(running.commit.sha) else None
    if old is None:
        log().warning(
            "%s: the authors of the whole history count as authors of what comes in",
            f"the commit of {plan.running_release_id} is not in the repository"
            if plan.running_release_id
            else f"nothing runs in {plan.environment} yet",
        )
    try:
        found = mirror.authors(plan.commit.sha, old)
    except SluiceError as error:
        log().warning("%s", error)
        found = None
    if found is None:
        log().warning("not all authors of what comes in are known: nobody may approve")
        return frozenset()
    return found | {plan.commit.author_name, plan.commit.author_email}
