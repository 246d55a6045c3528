"""Pull requests on GitHub: opened, let merge, taken back, reverted. Each looks first, and acts on what it saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.pull_requests import PullContent, PullReceipt
from tasks.github.refusals import ChangeRefusedError
from tasks.kernel.redact import process_redactor
from tasks.steps.step import fact, log, step

if TYPE_CHECKING:
    from datetime import datetime

    from blocks.values.pull_requests import MergeMethod, PullFact, Push
    from tasks.github.pulls import GitHubPulls
    from tasks.kernel.protocols import GitHubReader
    from tasks.steps.run import Run


@fact("open pull request")
def open_pull_request(
    pulls: GitHubPulls, *, head: str, base: str, title: str, body: str, draft: bool
) -> PullReceipt:
    """Open a pull request from one branch into another, unless there is one, or somebody closed the last one.

    Running it twice is safe: the second try finds what the first one opened.
    """
    last = pulls.latest_pull(head, base)
    if last is not None and last.open:
        return PullReceipt(number=last.number, text=f"#{last.number} is open already", link=last.link)
    if last is not None and not last.merged:
        return PullReceipt(text=f"#{last.number} was closed without a merge, and stays so", link=last.link)
    found = pulls.open_pull(
        head, base, process_redactor().text(title), process_redactor().text(body), draft=draft
    )
    if found is None:
        return PullReceipt(text=f"nothing to bring into {base}")
    log().info("pull request #%s from %s into %s: %s", found.number, head, base, found.link)
    return PullReceipt(number=found.number, text=f"#{found.number} into {base} is open", link=found.link)


@fact("read pull request")
def read_pull_request(
    pulls: GitHubPulls, github: GitHubReader, *, pull: PullFact, pushes: tuple[Push, ...]
) -> PullContent:
    """Read what decides whether a pull request may be merged without a person.

    Running it twice is safe: it only reads.

    Args:
        pull: The pull request, read before: its head is what may be merged, whatever is pushed meanwhile.
    """
    return PullContent(
        pull=pull,
        authors=pulls.authors(pull.number),
        files=pulls.files(pull.number),
        pushes=pushes,
        required_checks=len(github.protection(pull.base, details=False).required),
    )


@fact("let merge")
def let_merge(
    pulls: GitHubPulls, *, pull: PullFact, method: MergeMethod, approval: str | None
) -> PullReceipt:
    """Have GitHub merge a pull request as soon as its own rules allow it, and approve it where that is asked for.

    Running it twice is safe: it looks what is done already. Only the commit that was judged is approved and merged.
    """
    now = pulls.pull(pull.number)
    if now.merged:
        return PullReceipt(number=pull.number, text=f"#{pull.number} is merged already", link=pull.link)
    approved = approval is not None and pulls.approve(pull, approval)
    try:
        done = "enabled" if now.auto_merge_by else pulls.enable_auto_merge(pull, method)
    except ChangeRefusedError:
        # The answer to an earlier try got lost, or somebody else was quicker.
        if not pulls.pull(pull.number).merged:
            raise
        done = "merged"
    said = "merged" if done == "merged" else "merged as soon as its checks are green"
    text = f"#{pull.number} is {'approved and ' if approved else ''}{said}"
    log().info("pull request %s", text)
    return PullReceipt(number=pull.number, text=text, link=pull.link)


@fact("take back merge")
def take_back_merge(pulls: GitHubPulls, *, pull: PullFact, reason: str) -> PullReceipt:
    """Take back auto-merge and approvals this login gave to an earlier state of a pull request.

    Running it twice is safe: what is taken back is not there any more. What people gave is left alone.
    """
    done = pulls.take_back(pull, process_redactor().text(reason))
    taken = f"; withdrawn: {', '.join(done)}" if done else ""
    return PullReceipt(
        number=pull.number, text=f"#{pull.number} waits for a person: {reason}{taken}", link=pull.link
    )


@fact("read merged pull requests")
def read_merged_pull_requests(pulls: GitHubPulls, *, base: str, since: datetime) -> tuple[PullFact, ...]:
    """Read which pull requests were merged into a branch.

    Running it twice is safe: it only reads.
    """
    return pulls.merged_pulls(base, since)


@step("revert pull request", PullReceipt)
def revert_pull_request(
    run: Run, pulls: GitHubPulls, *, target: str, pull: PullFact, title: str, body: str
) -> PullReceipt:
    """Open the pull request that reverts a merged one.

    Running it twice is safe: it is journaled, and the pull request that reverts another is known by its branch.
    """
    there = pulls.revert_of(pull)
    made = there or pulls.revert(pull, process_redactor().text(title), process_redactor().text(body))
    said = f"is reverted by #{made.number} already" if there else f"would be reverted by #{made.number}"
    log().info("%s of %s %s: %s", target, run.environment, said, made.link)
    return PullReceipt(number=made.number, text=f"{target} {said}", link=made.link)


@step("explain no reverts", PullReceipt)
def explain_no_reverts(run: Run, pulls: GitHubPulls, *, pull: PullFact, text: str) -> PullReceipt:
    """Say on the newest pull request a rollback left behind why nothing is reverted by itself.

    Running it twice is safe: it is journaled, and the comment has a mark by which it is found.
    """
    mark = f"sluice:no-reverts:{run.pipeline}:{run.promotion_id}"
    pulls.comment_once(pull.number, mark, process_redactor().text(text))
    return PullReceipt(number=pull.number, text=f"said on #{pull.number}", link=pull.link)
