"""The application's repository: a bare mirror per address, and what can be read from it."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from blocks.values.releases import Commit
from tasks.adapters.file_lock import locked
from tasks.git import commands as git
from tasks.git import files as git_files
from tasks.git import refs as git_refs
from tasks.git.files import LINK, SUBMODULE, TreeEntry, pack, parse_batch, parse_tree
from tasks.git.log import commits_of, names_of
from tasks.git.login import GitLogin, split_url
from tasks.git.refs import ResolvedRef
from tasks.git.runner import HURRIED, NETWORK, WITHOUT_FILTERS, GitRunner
from tasks.kernel.archive import Archive, Packer, shown
from tasks.kernel.errors import TerminalError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from blocks.git_repository import GitRepository

MOST_COMMITS = 200


def mirror_directory(base: Path, url: str) -> Path:
    """Return where the mirror of an address is kept in the folder of all; a login in the address is no difference."""
    plain, _ = split_url(url, GitLogin())
    name = re.sub(r"[^A-Za-z0-9]+", "-", plain.rstrip("/").removesuffix(".git").rpartition("/")[2])
    return base / f"{name[:40] or 'repository'}-{hashlib.sha256(plain.encode()).hexdigest()[:12]}.git"


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""


class GitMirror:
    """A bare mirror of a repository's branches and tags.

    Args:
        url: The repository's address. A login in it is taken out and not stored.
    """

    def __init__(self, url: str, directory: Path, login: GitLogin | None = None) -> None:
        self.public_url, self._login = split_url(url, login or GitLogin())
        self.directory = Path(directory)
        self._git = GitRunner(self.public_url, self.directory)
        # What a commit holds never changes, so git is asked once.
        self._contents: dict[tuple[str, str], bytes] = {}
        self._trees: dict[str, tuple[TreeEntry, ...]] = {}

    @classmethod
    def of(cls, block: GitRepository, directory: Path) -> Self:
        """Return the mirror of a repository's block."""
        return cls(
            block.url,
            directory,
            GitLogin(
                token=_plain(block.token),
                username=block.username,
                ssh_key=_plain(block.ssh_private_key),
                known_hosts=block.known_hosts,
            ),
        )

    def exists(self) -> bool:
        """Say whether it was fetched before."""
        return (self.directory / "HEAD").exists() and bool(self._refs())

    def fetch(self, *, hurried: bool = False) -> None:
        """Bring the mirror up to date; one round trip where nothing changed.

        Args:
            hurried: True where what was fetched last will do: nobody waits for long then.
        """
        limits = HURRIED if hurried else NETWORK
        held = locked(Path(f"{self.directory}.lock"), seconds=limits.idle_seconds if hurried else None)
        with held, self._login.environment(self.public_url) as environment:
            self._ensure_mirror()
            listed = self._git.network(git.list_remote(self._path, self.public_url), environment, limits)
            head, remote = git_refs.parse_remote(listed)
            if remote != {ref.full_name: ref.object_id for ref in self._refs()}:
                self._git.network(git.fetch(self._path, self.public_url), environment, limits)
            if head and head != self.default_branch():
                self._git.read(git.set_head(self._path, head))

    def default_branch(self) -> str:
        """Return the branch the repository's HEAD points to, as of the last fetch."""
        return self._git.text(git.default_branch(self._path)).removeprefix(git_refs.BRANCHES)

    def resolve(self, ref: str) -> ResolvedRef:
        """Find what a branch, tag or commit id stands for.

        Args:
            ref: A branch or tag, short or full (`refs/tags/v1`), or at least 7 digits of a commit id.
        """
        refs = self._refs()
        commits = self._commits(ref) if git.SHORT_SHA.match(ref) else ()
        # A whole id is a commit's, as for git itself, whatever a branch is called.
        found = None if commits and git.SHA.match(ref) else git_refs.find(ref, refs)
        if len(commits) + (found is not None) > 1:
            raise TerminalError(f"{ref} is the name of more than one commit", "give more of its digits")
        if found is not None:
            sha = found.commit or self._peeled(found.full_name)
            return ResolvedRef(found.kind, found.name, sha)
        if not commits:
            raise git_refs.unknown(ref, refs, self.public_url)
        return ResolvedRef("commit", commits[0], commits[0])

    def _commits(self, prefix: str) -> tuple[str, ...]:
        ids = self._git.text(git.commits_of_prefix(self._path, prefix)).split()
        # A full id is answered with itself, whether there is such an object or not.
        peeled = (self._git.run(git.peel(self._path, found)) for found in ids)
        shas = {result.stdout.decode().strip() for result in peeled if result.exit_code == 0}
        return tuple(sorted(sha for sha in shas if sha.startswith(prefix)))

    def _peeled(self, full_name: str) -> str:
        result = self._git.run(git.peel(self._path, full_name))
        if result.exit_code != 0:
            raise TerminalError(f"{full_name} of {self.public_url} leads to no commit", "tag a commit")
        return result.stdout.decode().strip()

    def heads(self) -> dict[str, str]:
        """Return where every branch and tag that leads to a commit was at the last fetch: `refs/…` → commit."""
        return {ref.full_name: ref.commit for ref in self._refs() if ref.commit}

    def has_commit(self, sha: str) -> bool:
        """Say whether the mirror has a commit."""
        return bool(self._commits(sha))

    def commit(self, sha: str) -> Commit:
        """Return one commit."""
        return self._log(sha, limit=1)[0]

    def commits_between(self, old: str, new: str) -> tuple[list[Commit], list[Commit]]:
        """Return the commits that come in and those that go out on the way from one commit to another.

        Args:
            old: The commit that runs now. One the repository has lost (history was rewritten) has nothing
                that goes out, and only the new commit comes in.

        Returns:
            Coming and leaving, newest first, at most 200 each.
        """
        if self._git.run(git.peel(self._path, git.sha(old))).exit_code != 0:
            return [self.commit(new)], []
        coming = self._log(new, f"^{old}", limit=MOST_COMMITS)
        return coming, self._log(old, f"^{new}", limit=MOST_COMMITS)

    def authors(self, new: str, old: str | None) -> frozenset[str] | None:
        """Return the names and e-mails of all who wrote a commit on the way from one commit to another.

        Args:
            old: The commit that runs now; None, or one that the repository has lost, for all of the history.

        Returns:
            Those of authors, and of co-authors whom the messages name; None where they are not all known.
        """
        known = old is not None and self._git.run(git.peel(self._path, git.sha(old))).exit_code == 0
        revisions = (new, f"^{old}") if known else (new,)
        if self._git.text(git.is_shallow(self._path)) != "false":
            return None
        wrote = self._git.text(git.log_authors(self._path, *revisions))
        return names_of(wrote, self._git.text(git.log_co_authored(self._path, *revisions)))

    def holds(self, sha: str, commit: str) -> bool:
        """Say whether a commit is in the history of another one; what the mirror does not have is in none."""
        return self._git.run(git.is_ancestor(self._path, commit, sha)).exit_code == 0

    def _log(self, *revisions: str, limit: int) -> list[Commit]:
        return commits_of(self._git.text(git.log(self._path, *revisions, limit=limit)))

    def read_file(self, sha: str, path: str) -> str | None:
        """Return a file's text at a commit, symbolic links followed; None where there is none."""
        content = self.read_bytes(sha, path)
        return None if content is None else content.decode("utf-8-sig", errors="replace")

    def read_bytes(self, sha: str, path: str) -> bytes | None:
        """Return a file's content at a commit, symbolic links followed; None where there is none."""
        if "\n" in path or "\0" in path or not {"", ".", ".."}.isdisjoint(path.split("/")):
            return None
        if (sha, path) not in self._contents:
            try:
                name = f"{git.sha(sha)}:{path}\n".encode(errors="surrogateescape")
            except UnicodeEncodeError:
                # Half a character, as YAML may have it, is in no name.
                return None
            (content,) = parse_batch(self._git.read(git.cat_files(self._path), name))
            if content is None:
                self._check_absent(sha, path)
                return None
            self._contents[sha, path] = content
        return self._contents[sha, path]

    def _check_absent(self, sha: str, path: str) -> None:
        """See that git gave no content because there is no such file, and not because the mirror lacks it."""
        entries = self._entries(sha) if self.has_commit(sha) else ()
        if any(entry.path == path and entry.mode not in {LINK, SUBMODULE} for entry in entries):
            raise TerminalError(
                f"the mirror of {self.public_url} has not the content of {shown(path)}",
                f"remove {self.directory}, so that it is fetched again",
            )

    def tree(self, sha: str) -> str:
        """Return the id of a commit's tree: equal for commits with equal files."""
        return self._git.text(git.tree_id(self._path, sha))

    def tracked(self, sha: str) -> frozenset[str]:
        """Return every path of a commit."""
        return frozenset(entry.path for entry in self._entries(sha))

    def links(self, sha: str) -> dict[str, str]:
        """Return the symbolic links of a commit, and what each leads to."""
        entries = [entry for entry in self._entries(sha) if entry.mode == LINK]
        told = self._git.read(git.cat_objects(self._path), git_files.ids(entries))
        return git_files.parse_links(entries, told)

    def changed(self, old: str, new: str) -> frozenset[str]:
        """Return the paths of a commit whose content another one lacks; all where the mirror lacks that one."""
        before = (
            {(entry.path, entry.object_id) for entry in self._entries(old)} if self.has_commit(old) else set()
        )
        return frozenset(
            entry.path for entry in self._entries(new) if (entry.path, entry.object_id) not in before
        )

    def tags_at(self, sha: str) -> list[str]:
        """Return the tags that lead to a commit."""
        refs = self._refs(f"--points-at={git.sha(sha)}")
        return [ref.name for ref in refs if ref.kind == "tag"]

    def branches_containing(self, sha: str) -> list[str]:
        """Return the branches a commit is on."""
        refs = self._refs(f"--contains={git.sha(sha)}")
        return [ref.name for ref in refs if ref.kind == "branch"]

    def archive(self, sha: str, paths: tuple[str, ...]) -> Archive:
        """Return a tar archive of files and folders of a commit; equal commits give equal bytes.

        `git archive` is not used: it leaves out what the repository excludes from its own source archives.
        """
        entries = {entry.path: entry for entry in self._entries(sha)}
        chosen = {entry.path: entry for path in paths for entry in self._below(entries, path, sha)}
        ordered = tuple(chosen[path] for path in sorted(chosen))
        modified, folder = int(self.commit(sha).committed_at.timestamp()), self.directory.parent
        with tempfile.TemporaryFile(dir=folder) as contents, Packer(folder, modified) as packer:
            self._git.read_pieces(git.cat_objects(self._path), contents.write, git_files.ids(ordered))
            contents.seek(0)
            pack(packer, ordered, contents)
            return packer.archive()

    def _below(self, entries: Mapping[str, TreeEntry], path: str, sha: str) -> list[TreeEntry]:
        plain = path.strip("/").removeprefix("./")
        if plain in entries:
            return [entries[plain]]
        everything = plain in {"", "."}
        found = [one for one in entries.values() if everything or one.path.startswith(f"{plain}/")]
        if not found:
            raise TerminalError(f"{path} is not in commit {sha[:7]} of {self.public_url}", "commit it")
        return found

    def checkout(self, sha: str, directory: Path) -> Path:
        """Write all files of a commit into a folder, which appears whole or not at all.

        A folder of that name that is there already was made by this, so it is used as it is.

        Args:
            directory: The folder; its name should hold the commit's id.
        """
        if directory.exists():
            return directory
        directory.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
        try:
            self._write_files(sha, part)
            self._move(part / "files", directory)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return directory

    def _write_files(self, sha: str, part: Path) -> None:
        (part / "files").mkdir()
        index = {"GIT_INDEX_FILE": str(part / "index"), **WITHOUT_FILTERS}
        self._git.read(git.read_tree(self._path, sha), environment=index)
        self._git.read(git.checkout_index(self._path, f"{part}/files"), environment=index)

    @staticmethod
    def _move(source: Path, target: Path) -> None:
        try:
            source.rename(target)
        except OSError:
            # Another process was first; its files are the same.
            if not target.is_dir():
                raise

    @property
    def _path(self) -> str:
        return str(self.directory)

    def _refs(self, *options: str) -> tuple[git_refs.Ref, ...]:
        listed = self._git.read(git.list_refs(self._path, *options))
        return git_refs.parse_refs(listed.decode(errors="surrogateescape"))

    def _entries(self, sha: str) -> tuple[TreeEntry, ...]:
        if sha not in self._trees:
            self._trees[sha] = parse_tree(self._git.read(git.list_tree(self._path, sha)))
        return self._trees[sha]

    def _ensure_mirror(self) -> None:
        if (self.directory / "HEAD").exists():
            return
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        self._git.read(git.init(self._path))
        # A commit that runs somewhere stays readable when its branch is rewritten.
        self._git.read(git.set_config(self._path, "gc.pruneExpire", "never"))
