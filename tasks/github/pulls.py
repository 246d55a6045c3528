"""Pull requests on GitHub: opened, approved, merged and reverted, each once: what is there is looked for first."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from blocks.values.pull_requests import ChangedFile, MergeMethod, PullFact
from tasks.github.facts import login_of
from tasks.github.graphql import mutate
from tasks.github.refusals import Asking, ChangeRefusedError
from tasks.github.repository import RepositoryPart
from tasks.kernel.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator

Merge = Literal["enabled", "merged"]

_READ = "Pull requests: read"
_WRITE = "Pull requests: write"
_MERGES = "Pull requests: write and Contents: write"
_LIST = Asking("the pull requests", _READ)

# The mutations of GitHub's GraphQL API, each with what it answers.
_ENABLE = ("enablePullRequestAutoMerge", "pullRequest { number }")
_DISABLE = ("disablePullRequestAutoMerge", "pullRequest { number }")
_REVERT = ("revertPullRequest", "revertPullRequest { number }")
# GitHub refuses to wait for what need not be waited for: in these states it merges at once.
_AT_ONCE = ("is in clean status", "is in unstable status", "is in has_hooks status")


class GitHubPulls(RepositoryPart):
    """The pull requests of a repository on GitHub."""

    def open_pulls(self, head: str = "", base: str = "") -> tuple[PullFact, ...]:
        """Read the open pull requests from a branch of this repository, or to one; from or to any where empty."""
        return self._some("open", head, base)

    def latest_pull(self, head: str, base: str) -> PullFact | None:
        """Read the pull request that was opened last between two branches of this repository, open or closed."""
        found = self._some("all", head, base)
        return max(found, key=lambda one: one.number) if found else None

    def merged_pulls(self, base: str, since: datetime) -> tuple[PullFact, ...]:
        """Read the pull requests that were merged into a branch."""
        return self._client.ask(_LIST, lambda: tuple(self._merged(base, since)))

    def _merged(self, base: str, since: datetime) -> Iterator[PullFact]:
        listed = self._client.pages(
            f"{self._path}/pulls", state="closed", base=base, sort="updated", direction="desc"
        )
        for one in listed:
            # Whatever was merged later than that was changed later, too.
            if datetime.fromisoformat(one["updated_at"]) < since:
                return
            found = pull_of(one)
            if found.merged_at is not None and found.merged_at >= since:
                yield found

    def pull(self, number: int) -> PullFact:
        """Read one pull request, with how many commits and files it has."""
        return self._client.one(Asking(f"pull request #{number}", _READ), self._of(number), pull_of)

    def authors(self, number: int) -> tuple[str, ...]:
        """Read the login of each commit's author; empty for one GitHub knows no account of."""
        return self._client.listed(
            Asking(f"the commits of pull request #{number}", _READ),
            f"{self._of(number)}/commits",
            lambda one: login_of(one.get("author")),
        )

    def files(self, number: int) -> tuple[ChangedFile, ...]:
        """Read the files a pull request changes."""
        return self._client.listed(
            Asking(f"the files of pull request #{number}", _READ),
            f"{self._of(number)}/files",
            lambda one: ChangedFile(path=one["filename"], previous_path=one.get("previous_filename") or ""),
        )

    def open_pull(
        self, head: str, base: str, title: str, body: str, *, draft: bool = False
    ) -> PullFact | None:
        """Open a pull request between two branches of this repository, where none is open.

        Returns:
            The pull request that is open now; None where the branch has nothing the other has not.
        """
        there = self.open_pulls(head, base)
        if there:
            return there[0]
        wanted = {"head": head, "base": base, "title": title, "body": body, "draft": draft}
        asking = Asking(f"a pull request from {head} into {base}", _WRITE, "open")
        try:
            return self._client.ask(
                asking, lambda: pull_of(self._client.send("POST", f"{self._path}/pulls", wanted))
            )
        except ChangeRefusedError as error:
            if "No commits between" in error.what:
                return None
            # Somebody else was quicker, or the answer to an earlier try got lost.
            there = self.open_pulls(head, base) if "already exists" in error.what else ()
            if not there:
                raise
            return there[0]

    def approve(self, pull: PullFact, body: str) -> bool:
        """Approve exactly the commit that was looked at.

        Returns:
            False where this login has approved that commit already.
        """
        if any(review["commit_id"] == pull.head for review in self._own_approvals(pull.number)):
            return False
        wanted = {"commit_id": pull.head, "event": "APPROVE", "body": body}
        asking = Asking(f"pull request #{pull.number}", _WRITE, "approve")
        answer = self._client.change(asking, "POST", f"{self._of(pull.number)}/reviews", wanted)
        _confirmed(answer.get("state") == "APPROVED", f"the approval of pull request #{pull.number}")
        return True

    def enable_auto_merge(self, pull: PullFact, method: MergeMethod) -> Merge:
        """Have GitHub merge exactly the commit that was looked at, as soon as its own rules allow it.

        Returns:
            `merged` where nothing was left to wait for.
        """
        exactly = {"mergeMethod": method.upper(), "expectedHeadOid": pull.head}
        try:
            self._mutate(f"auto-merge of pull request #{pull.number}", "enable", pull, _ENABLE, **exactly)
        except ChangeRefusedError as error:
            if not any(state in error.what for state in _AT_ONCE):
                raise
            self.merge(pull, method)
            return "merged"
        return "enabled"

    def merge(self, pull: PullFact, method: MergeMethod) -> None:
        """Merge exactly the commit that was looked at, now.

        Raises:
            ChangeRefusedError: It cannot be merged (405), or its head or base moved meanwhile (409, 405).
        """
        asking = Asking(f"pull request #{pull.number}", _MERGES, "merge")
        wanted = {"sha": pull.head, "merge_method": method}
        answer = self._client.change(asking, "PUT", f"{self._of(pull.number)}/merge", wanted)
        _confirmed(answer.get("merged") is True, f"the merge of pull request #{pull.number}")

    def take_back(self, pull: PullFact, reason: str) -> tuple[str, ...]:
        """Take back what this login gave a pull request: auto-merge first, then its approvals."""
        done: list[str] = []
        if pull.auto_merge_by and pull.auto_merge_by == self.me():
            self._mutate(f"auto-merge of pull request #{pull.number}", "disable", pull, _DISABLE)
            done.append("auto-merge")
        for review in self._own_approvals(pull.number):
            self._dismiss(pull.number, review["id"], reason)
            done.append("an approval")
        return tuple(done)

    def revert_of(self, pull: PullFact) -> PullFact | None:
        """Find the pull request that reverts another, open or closed; None where there is none."""
        found = self._some("all", revert_branch(pull), pull.base)
        return found[0] if found else None

    def revert(self, pull: PullFact, title: str, body: str) -> PullFact:
        """Open the pull request that reverts a merged one, where there was none yet.

        Raises:
            ChangeRefusedError: GitHub cannot revert it by itself: what it changed was changed again.
        """
        there = self.revert_of(pull)
        if there is not None:
            return there
        said = {"title": title, "body": body}
        answer = self._mutate(f"pull request #{pull.number}", "revert", pull, _REVERT, **said)
        made = (answer.get("revertPullRequest") or {}).get("number")
        if not isinstance(made, int):
            raise TransientError(
                f"GitHub did not say which pull request reverts #{pull.number}", "look at it on GitHub"
            )
        return self.pull(made)

    def comment_once(self, number: int, mark: str, text: str) -> bool:
        """Comment on a pull request, where no comment of this login has the mark.

        Args:
            mark: What identifies the comment; a person does not see it.
        """
        path, hidden = f"{self._path}/issues/{number}/comments", f"<!-- {mark} -->"
        reading = Asking(f"the comments on pull request #{number}", _READ)
        for one in self._client.listed(reading, path, dict):
            if hidden in (one.get("body") or "") and login_of(one.get("user")) == self.me():
                return False
        asking = Asking(f"pull request #{number}", _WRITE, "comment on")
        self._client.change(asking, "POST", path, {"body": f"{hidden}\n{text}"})
        return True

    def _of(self, number: int) -> str:
        return f"{self._path}/pulls/{number}"

    def _mutate(
        self, what: str, verb: str, pull: PullFact, name: tuple[str, str], **values: str
    ) -> dict[str, Any]:
        wanted = {"pullRequestId": pull.node_id, **values}
        return self._client.ask(Asking(what, _MERGES, verb), lambda: mutate(self._client, *name, wanted))

    def _some(self, state: str, head: str, base: str) -> tuple[PullFact, ...]:
        wanted = {"state": state} | ({"base": base} if base else {})
        # Without the owner in front GitHub takes no notice of the head.
        wanted |= {"head": f"{self._owner}:{head}"} if head else {}
        return self._client.listed(_LIST, f"{self._path}/pulls", pull_of, **wanted)

    def _own_approvals(self, number: int) -> list[dict[str, Any]]:
        asking = Asking(f"the reviews of pull request #{number}", _READ)
        reviews = self._client.listed(asking, f"{self._of(number)}/reviews", dict)
        return [
            one for one in reviews if one["state"] == "APPROVED" and login_of(one.get("user")) == self.me()
        ]

    def _dismiss(self, number: int, review: int, reason: str) -> None:
        path = f"{self._of(number)}/reviews/{review}/dismissals"
        asking = Asking(f"its own approval of pull request #{number}", _WRITE, "take back")
        self._client.change(asking, "PUT", path, {"message": reason, "event": "DISMISS"})


def revert_branch(pull: PullFact) -> str:
    """Return the branch GitHub makes for the pull request that reverts another."""
    return f"revert-{pull.number}-{pull.head_branch}"


def pull_of(raw: dict[str, Any]) -> PullFact:
    """Return a pull request as a fact.

    Args:
        raw: A pull-request, or a pull-request-simple, as GitHub has it.
    """
    head, merged_at = raw["head"], raw.get("merged_at")
    return PullFact(
        number=raw["number"],
        node_id=raw["node_id"],
        author=login_of(raw.get("user")),
        title=raw["title"],
        head=head["sha"],
        head_branch=head["ref"],
        head_repository=(head.get("repo") or {}).get("full_name") or "",
        base=raw["base"]["ref"],
        open=raw["state"] == "open",
        merged_at=datetime.fromisoformat(merged_at) if merged_at else None,
        merge_commit=(raw.get("merge_commit_sha") or "") if merged_at else "",
        draft=bool(raw.get("draft")),
        auto_merge_by=login_of((raw.get("auto_merge") or {}).get("enabled_by")),
        commits=raw.get("commits"),
        changed_files=raw.get("changed_files"),
        link=raw["html_url"],
    )


def _confirmed(done: bool, what: str) -> None:  # noqa: FBT001 - the word says what it is
    if not done:
        raise TransientError(f"GitHub does not confirm {what}", "look at it on GitHub")
