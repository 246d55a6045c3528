"""Whether GitHub answers what the gates will ask."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from deployments.doctor.findings import Finding, fail, failure, ok, warn
from flows.core.github import open_github, open_pull_requests
from flows.gates.entry import rules_branch
from tasks.github.github_facts import facts_of
from tasks.kernel.errors import SluiceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from blocks.pipeline import Policy, PullRequests
    from tasks.kernel.protocols import GitHubReader

WHERE = "github"
# With less than this a promotion that waits for its checks may not see their end.
FEWEST_REQUESTS = 200


def github_findings(
    name: str, policies: Sequence[Policy], *, sha: str, default_branch: str
) -> Iterator[Finding]:
    """Check the login, its permissions and its rate limit, by asking of a commit what the gates ask.

    Args:
        default_branch: The branch whose rules count where an environment names none.
    """
    asking = [policy for policy in policies if policy.gates.asks_github]
    showing = [policy for policy in policies if policy.show.anything]
    if not name:
        wanted = [f"gates of {policy.name} ask GitHub" for policy in asking]
        wanted += [f"{policy.name} uses `show` for GitHub" for policy in showing]
        for one in wanted:
            yield fail(
                WHERE,
                f"{one}, and the git-repository block names no github block",
                "create one in the Prefect UI under Blocks, and name it in the field GitHub",
            )
        return
    try:
        with closing(open_github(name)) as github:
            yield from _answers(github, asking, sha, default_branch)
    except SluiceError as error:
        yield failure(WHERE, error)
        return
    # Whether it may write only a change would tell.
    for policy in showing:
        needed = ", ".join(policy.show.permissions)
        yield ok(f"{WHERE} {policy.name}", f"is shown there; the login needs {needed}")


def pull_request_findings(name: str, section: PullRequests) -> Iterator[Finding]:
    """Check that the login can read pull requests and knows its own name; that it may write is seen only by writing."""
    if not (section.open or section.auto_merge or section.revert_after_rollback):
        return
    where = f"{WHERE} pull requests"
    try:
        with closing(open_pull_requests(name)) as opened:
            count, who = len(opened.pulls.open_pulls()), opened.pulls.me()
    except SluiceError as error:
        yield failure(where, error)
    else:
        yield ok(where, f"{count} are open; what is automatic is done by {who}")


def _answers(
    github: GitHubReader, asking: Sequence[Policy], sha: str, default_branch: str
) -> Iterator[Finding]:
    budget = github.budget()
    left = f"{budget.remaining} of {budget.limit} requests left until {budget.resets_at:%H:%M} UTC"
    if budget.remaining < FEWEST_REQUESTS:
        yield warn(
            WHERE, f"the rate limit is nearly used up: {left}", "give the github block an app of its own"
        )
    else:
        yield ok(WHERE, f"answers, {left}")
    for policy in asking:
        try:
            facts_of(github, sha=sha, branch=rules_branch(policy, default_branch), gates=policy.gates)
        except SluiceError as error:
            yield failure(f"{WHERE} {policy.name}", error)
        else:
            yield ok(f"{WHERE} {policy.name}", "shows what its gates ask for")
