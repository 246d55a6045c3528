"""Git command lines on a bare mirror. Every ref is given in full and every commit by its id."""

from __future__ import annotations

import re

from tasks.kernel.argv import Argv
from tasks.kernel.errors import TerminalError

SHA = re.compile(r"[0-9a-f]{40}\Z")
SHORT_SHA = re.compile(r"[0-9a-f]{7,40}\Z")
REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
# Fields of a commit, each ended by NUL: no field can hold one.
COMMIT_FORMAT = "%H%x00%s%x00%an%x00%ae%x00%cI%x00"
COMMIT_FIELDS = 5
AUTHOR_FORMAT = "%H%x00%an%x00%ae%x00"
AUTHOR_FIELDS = 3
MESSAGE_FORMAT = "%H%x00%B%x00"
MESSAGE_FIELDS = 2
# A squashed commit has them anywhere in its message, not only among the trailers at its end, also in a list.
_CO_AUTHOR = "^[[:space:]>*-]*co[ -]?author(s|ed[ -]by)?[[:space:]]*:"
_PLAIN_LOG = ("--no-show-signature", "--no-color", "--no-decorate", "--encoding=UTF-8")


def sha(text: str) -> str:
    """Return a full commit id.

    Raises:
        TerminalError: It is none, so nothing of the kind reaches git.
    """
    if not SHA.match(text):
        raise TerminalError(f"{text[:80]!r} is no full commit id", "give its 40 hex digits")
    return text


def git(directory: str, *arguments: str) -> Argv:
    """Return a git command on a bare repository, wherever it is run."""
    return ("git", f"--git-dir={directory}", *arguments)


def init(directory: str) -> Argv:
    """Make an empty bare repository; one that is there stays as it is."""
    return ("git", "init", "--bare", "--quiet", "--initial-branch=main", "--", directory)


def set_config(directory: str, key: str, value: str) -> Argv:
    """Set one value of the repository's configuration."""
    return git(directory, "config", "--replace-all", key, value)


def list_remote(directory: str, url: str) -> Argv:
    """List the branches and tags of a remote, and the branch its HEAD points to."""
    return git(directory, "ls-remote", "--symref", "--", url, "HEAD", "refs/heads/*", "refs/tags/*")


def fetch(directory: str, url: str) -> Argv:
    """Bring all branches and tags up to date; what is gone there goes here.

    Its progress is its sign of life: however much there is to bring, it is not taken for one that hangs.
    """
    options = (
        "--prune",
        "--no-tags",
        "--force",
        "--progress",
        "--no-recurse-submodules",
        "--no-write-fetch-head",
    )
    # What comes is kept as it comes, in one pack: unpacking a large file says nothing for as long as it takes.
    return git(directory, "-c", "fetch.unpackLimit=1", "fetch", *options, "--", url, *REFSPECS)


def set_head(directory: str, branch: str) -> Argv:
    """Note the default branch."""
    return git(directory, "symbolic-ref", "HEAD", f"refs/heads/{branch}")


def default_branch(directory: str) -> Argv:
    """Print the full name of the default branch."""
    return git(directory, "symbolic-ref", "HEAD")


def list_refs(directory: str, *options: str) -> Argv:
    """List branches and tags: full name, object id and type, and those of what an annotated tag points to."""
    columns = "%(refname)%00%(objectname)%00%(objecttype)%00%(*objectname)%00%(*objecttype)"
    return git(directory, "for-each-ref", f"--format={columns}", *options, "refs/heads", "refs/tags")


def commits_of_prefix(directory: str, prefix: str) -> Argv:
    """List the ids of the objects that begin with some hex digits."""
    if not SHORT_SHA.match(prefix):
        raise TerminalError(f"{prefix[:80]!r} is no commit id", "give at least 7 of its hex digits")
    return git(directory, "rev-parse", f"--disambiguate={prefix}")


def peel(directory: str, ref: str) -> Argv:
    """Print the id of the commit that a full ref name or an object id leads to."""
    return git(directory, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")


def is_ancestor(directory: str, commit: str, of: str) -> Argv:
    """Exit with 0 where a commit is in the history of another one, or is that one, and with 1 where it is not.

    Args:
        of: The id of the commit whose history is looked through.
    """
    return git(directory, "merge-base", "--is-ancestor", sha(commit), sha(of))


def log(directory: str, *revisions: str, limit: int) -> Argv:
    """List commits, newest first.

    Args:
        revisions: Commit ids; one with `^` in front leaves out what it contains.
    """
    return _log(directory, revisions, f"--max-count={limit}", f"--format={COMMIT_FORMAT}")


def log_authors(directory: str, *revisions: str) -> Argv:
    """List who wrote each commit, however many there are, newest first."""
    return _log(directory, revisions, f"--format={AUTHOR_FORMAT}")


def log_co_authored(directory: str, *revisions: str) -> Argv:
    """Print the messages of the commits that name co-authors."""
    search = ("--regexp-ignore-case", "--extended-regexp", f"--grep={_CO_AUTHOR}")
    return _log(directory, revisions, *search, f"--format={MESSAGE_FORMAT}")


def _log(directory: str, revisions: tuple[str, ...], *options: str) -> Argv:
    for revision in revisions:
        sha(revision.removeprefix("^"))
    return git(directory, "log", *_PLAIN_LOG, *options, *revisions, "--")


def is_shallow(directory: str) -> Argv:
    """Print `true` where the repository lacks the older part of its history."""
    return git(directory, "rev-parse", "--is-shallow-repository")


def list_tree(directory: str, commit: str) -> Argv:
    """List every path of a commit with mode, type and object id, ended by NUL."""
    return git(directory, "ls-tree", "-r", "-z", "--full-tree", sha(commit))


def tree_id(directory: str, commit: str) -> Argv:
    """Print the id of a commit's tree."""
    return git(directory, "rev-parse", "--verify", "--quiet", f"{sha(commit)}^{{tree}}")


def cat_files(directory: str) -> Argv:
    """Print objects named on standard input, one a line; symbolic links within the tree are followed."""
    return git(directory, "cat-file", "--batch", "--follow-symlinks")


def cat_objects(directory: str) -> Argv:
    """Print objects whose ids come on standard input, one a line."""
    return git(directory, "cat-file", "--batch")


def read_tree(directory: str, commit: str) -> Argv:
    """Fill the index file named by GIT_INDEX_FILE with a commit's files."""
    return git(directory, "read-tree", sha(commit))


def checkout_index(directory: str, target: str) -> Argv:
    """Write every file of the index into a folder."""
    return git(directory, f"--work-tree={target}", "checkout-index", "--all", "--force", "--quiet")
