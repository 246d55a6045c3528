"""Files and branches of a repository on GitHub, changed without a clone."""

from __future__ import annotations

import base64
import urllib.parse

from blocks.values.publication import FileFact
from tasks.github.refusals import Asking, ChangeRefusedError, NotThereError
from tasks.github.repository import RepositoryPart
from tasks.kernel.errors import TerminalError

_FILE = Asking("the file", "Contents: read")
_WRITE = Asking("the file", "Contents: write", "change")
_REF = Asking("the branch", "Contents: read")
_BRANCH = Asking("a branch", "Contents: write", "create")


class GitHubFiles(RepositoryPart):
    """Text files and branches of a repository on GitHub."""

    def read_file(self, path: str, branch: str) -> FileFact | None:
        """Read a text file at the head of a branch; None where there is none.

        Raises:
            TerminalError: It is a folder, no UTF-8 text, or larger than GitHub gives out whole (1 MB).
        """
        try:
            # A folder is answered with a list, which is none of GitHub's faults.
            found = self._client.ask(_FILE, lambda: self._client.get_any(self._content(path), ref=branch))
        except NotThereError:
            return None
        content = found.get("content") if isinstance(found, dict) and found.get("type") == "file" else None
        if content is None or found.get("encoding") != "base64":
            raise TerminalError(f"{path} on GitHub is no text file of at most 1 MB", "name another file")
        try:
            text = base64.b64decode(content).decode()
        except ValueError:
            raise TerminalError(f"{path} on GitHub is no UTF-8 text", "name another file") from None
        return FileFact(path=path, text=text, blob=found["sha"])

    def ensure_branch(self, branch: str, start: str) -> bool:
        """Create a branch at the head of another one, unless it is there; say whether it was created."""
        if self._head(branch):
            return False
        sha = self._head(start)
        if not sha:
            raise TerminalError(
                f"{self._client.repository} on GitHub has no branch {start}",
                "correct the default branch in the git-repository block",
            )
        body = {"ref": f"refs/heads/{branch}", "sha": sha}
        try:
            self._client.change(_BRANCH, "POST", f"{self._path}/git/refs", body)
        except ChangeRefusedError:
            # Created this moment by another run.
            if not self._head(branch):
                raise
            return False
        return True

    def write_file(self, path: str, text: str, *, branch: str, message: str, blob: str) -> None:
        """Make a commit that changes one file.

        Args:
            blob: Git's id of what it holds now; empty for a new file. Where it holds something else GitHub refuses.
        """
        body = {
            "message": message,
            "content": base64.b64encode(text.encode()).decode(),
            "branch": branch,
            **({"sha": blob} if blob else {}),
        }
        self._client.change(_WRITE, "PUT", self._content(path), body)

    def _content(self, path: str) -> str:
        return f"{self._path}/contents/{urllib.parse.quote(path)}"

    def _head(self, branch: str) -> str:
        path = f"{self._path}/git/ref/heads/{urllib.parse.quote(branch)}"
        try:
            return self._client.one(_REF, path, lambda found: str(found["object"]["sha"]))
        except NotThereError:
            return ""
