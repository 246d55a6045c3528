"""Pull requests on GitHub: opened, approved, merged and reverted, each once: what is there is looked for first."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from blocks.values.pull_requests import ChangedFile, MergeMethod, PullFact
from tasks.github.client import Asking, ChangeRefusedError, GitHubClient
from tasks.github.graphql import mutate, who_am_i
from tasks.kernel.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator

Merge = Literal["enabled", "merged"]

_READ = "Pull requests: read"
_WRITE = "Pull requests: write"
_MERGES = "Pull requests: write and Contents: write"
_LIST = Asking("the pull requests", _READ)
_WHO = Asking("the login's own name", "Metadata: read")

# GitHub refuses to wait for what need not be waited for: in these states it merges at once.
_AT_ONCE = ("is in clean status", "is in unstable status", "is in has_hooks status")


class GitHubPulls:
    """The pull requests of a repository on GitHub."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client
        self._owner = client.repository.partition("/")[0]
        self._path = f"/repos/{client.repository}/pulls"
        self._me = ""

    def me(self) -> str:
        """Return the login's own name."""
        if not self._me:
            self._me = self._client.ask(_WHO, lambda: who_am_i(self._client))
        return self._me

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
        listed = self._client.pages(self._path, state="closed", base=base, sort="updated", direction="desc")
        for one in listed:
            # Whatever was merged later than that was changed later, too.
            if datetime.fromisoformat(one["updated_at"]) < since:
                return
            found = pull_of(one)
            if found.merged_at is not None and found.merged_at >= since:
                yield found

    def pull(self, number: int) -> PullFact:
        """Read one pull request, with how many commits and files it has."""
        return self._client.ask(
            Asking(f"pull request #{number}", _READ),
            lambda: pull_of(self._client.get(f"{self._path}/{number}", dict)),
        )

    def authors(self, number: int) -> tuple[str, ...]:
        """Read the login of each commit's author; empty for one GitHub knows no account of."""
        commits = self._all(Asking(f"the commits of pull request #{number}", _READ), f"{number}/commits")
        return tuple(str((one.get("author") or {}).get("login") or "") for one in commits)

    def files(self, number: int) -> tuple[ChangedFile, ...]:
        """Read the files a pull request changes."""
        files = self._all(Asking(f"the files of pull request #{number}", _READ), f"{number}/files")
        return tuple(
            ChangedFile(path=one["filename"], previous_path=one.get("previous_filename") or "")
            for one in files
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
            return self._client.ask(asking, lambda: pull_of(self._client.send("POST", self._path, wanted)))
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
        answer = self._client.ask(
            Asking(f"pull request #{pull.number}", _WRITE, "approve"),
            lambda: self._client.send("POST", f"{self._path}/{pull.number}/reviews", wanted),
        )
        _confirmed(answer.get("state") == "APPROVED", f"the approval of pull request #{pull.number}")
        return True

    def enable_auto_merge(self, pull: PullFact, method: MergeMethod) -> Merge:
        """Have GitHub merge exactly the commit that was looked at, as soon as its own rules allow it.

        Returns:
            `merged` where nothing was left to wait for.
        """
        wanted = {
            "pullRequestId": pull.node_id,
            "mergeMethod": method.upper(),
            "expectedHeadOid": pull.head,
        }
        try:
            self._client.ask(
                Asking(f"auto-merge of pull request #{pull.number}", _MERGES, "enable"),
                lambda: mutate(self._client, "enablePullRequestAutoMerge", wanted, "pullRequest { number }"),
            )
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
            TransientError: GitHub does not say that it is merged.
        """
        answer = self._client.ask(
            Asking(f"pull request #{pull.number}", _MERGES, "merge"),
            lambda: self._client.send(
                "PUT", f"{self._path}/{pull.number}/merge", {"sha": pull.head, "merge_method": method}
            ),
        )
        _confirmed(answer.get("merged") is True, f"the merge of pull request #{pull.number}")

    def take_back(self, pull: PullFact, reason: str) -> tuple[str, ...]:
        """Take back what this login gave a pull request: auto-merge first, then its approvals.

        Returns:
            What was taken back, in words; nothing where there was nothing of this login's.
        """
        done: list[str] = []
        if pull.auto_merge_by and pull.auto_merge_by == self.me():
            self._client.ask(
                Asking(f"auto-merge of pull request #{pull.number}", _MERGES, "disable"),
                lambda: mutate(
                    self._client,
                    "disablePullRequestAutoMerge",
                    {"pullRequestId": pull.node_id},
                    "pullRequest { number }",
                ),
            )
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
        wanted = {"pullRequestId": pull.node_id, "title": title, "body": body}
        answer = self._client.ask(
            Asking(f"pull request #{pull.number}", _MERGES, "revert"),
            lambda: mutate(self._client, "revertPullRequest", wanted, "revertPullRequest { number }"),
        )
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

        Returns:
            False where it was there.
        """
        path, hidden = f"/repos/{self._client.repository}/issues/{number}/comments", f"<!-- {mark} -->"
        reading = Asking(f"the comments on pull request #{number}", _READ)
        for one in self._every(reading, path):
            if hidden in (one.get("body") or "") and _login(one) == self.me():
                return False
        self._client.ask(
            Asking(f"pull request #{number}", _WRITE, "comment on"),
            lambda: self._client.send("POST", path, {"body": f"{hidden}\n{text}"}),
        )
        return True

    def _some(self, state: str, head: str, base: str) -> tuple[PullFact, ...]:
        wanted = {"state": state} | ({"base": base} if base else {})
        # Without the owner in front GitHub takes no notice of the head.
        wanted |= {"head": f"{self._owner}:{head}"} if head else {}
        found = self._every(_LIST, self._path, **wanted)
        return self._client.ask(_LIST, lambda: tuple(map(pull_of, found)))

    def _own_approvals(self, number: int) -> list[dict[str, Any]]:
        reviews = self._all(Asking(f"the reviews of pull request #{number}", _READ), f"{number}/reviews")
        return [one for one in reviews if one["state"] == "APPROVED" and _login(one) == self.me()]

    def _dismiss(self, number: int, review: int, reason: str) -> None:
        path = f"{self._path}/{number}/reviews/{review}/dismissals"
        self._client.ask(
            Asking(f"its own approval of pull request #{number}", _WRITE, "take back"),
            lambda: self._client.send("PUT", path, {"message": reason, "event": "DISMISS"}),
        )

    def _all(self, asking: Asking, path: str) -> list[dict[str, Any]]:
        return self._every(asking, f"{self._path}/{path}")

    def _every(self, asking: Asking, path: str, **wanted: str) -> list[dict[str, Any]]:
        """Read a list in pages, as plain JSON: PyGithub would ask again for each field that may be null."""
        return self._client.ask(asking, lambda: [*self._client.pages(path, most=None, under="", **wanted)])


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
        author=_login(raw),
        title=raw["title"],
        head=head["sha"],
        head_branch=head["ref"],
        head_repository=(head.get("repo") or {}).get("full_name") or "",
        base=raw["base"]["ref"],
        open=raw["state"] == "open",
        merged_at=datetime.fromisoformat(merged_at) if merged_at else None,
        merge_commit=(raw.get("merge_commit_sha") or "") if merged_at else "",
        draft=bool(raw.get("draft")),
        auto_merge_by=_login(raw.get("auto_merge") or {}, "enabled_by"),
        commits=raw.get("commits"),
        changed_files=raw.get("changed_files"),
        link=raw["html_url"],
    )


def _confirmed(done: bool, what: str) -> None:  # noqa: FBT001 - the word says what it is
    if not done:
        raise TransientError(f"GitHub does not confirm {what}", "look at it on GitHub")


def _login(raw: dict[str, Any], key: str = "user") -> str:
    return str((raw.get(key) or {}).get("login") or "")
