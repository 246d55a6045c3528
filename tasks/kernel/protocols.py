"""What steps ask of the outside world. The real adapters and the tests' fakes implement these."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from blocks.values.github import Budget, CheckFact, ProtectionFact, PullRequestFact, ReviewFact
from blocks.values.publication import (
    CommitStatusWish,
    DeploymentStateWish,
    DeploymentWish,
    FileFact,
    ReleaseWish,
)
from blocks.values.pull_requests import PullFact
from blocks.values.rules import BranchProtection, BranchRules, EnvironmentRules

if TYPE_CHECKING:
    from tasks.kernel.archive import Archive

LineSink = Callable[[str], None]
PieceSink = Callable[[bytes], object]

# How Python and its kin end a traceback: `sqlalchemy.exc.ProgrammingError: (psycopg.errors.UndefinedFunction) …`.
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit)(: |\Z)")
# How other programs say it: `psql:up.sql:3: ERROR:  column "name" does not exist`, with hints after it.
_ERROR = re.compile(r"(?:\A|[\s:])(?:error|fatal): ", re.IGNORECASE)


@dataclass(frozen=True)
class Limits:
    """How long a command, or silence on its outputs, may last before it is ended, remote process included."""

    total_seconds: float = 600.0
    idle_seconds: float = 300.0


@dataclass(frozen=True)
class Result:
    """A finished command.

    Attributes:
        cut: True where standard output is only the end of what the command wrote: fit for a message, no data.
    """

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    seconds: float
    cut: bool = False

    @property
    def ok(self) -> bool:
        """True for exit status 0."""
        return self.exit_code == 0

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of standard error, or of standard output where that is empty."""
        text = self.stderr.strip() or self.stdout.strip()
        return "\n".join(text.splitlines()[-lines:])

    def reason(self) -> str:
        """Return the line that says why a program failed: the last that names an error, else the last two."""
        lines = self.tail(200).splitlines()
        named = [line for line in lines if _EXCEPTION.match(line)] or [
            line for line in lines if _ERROR.search(line)
        ]
        return named[-1] if named else self.tail(2)


@dataclass(frozen=True)
class Fence:
    """The proof of the lease, checked on the host under a lock in the application's directory by every change."""

    directory: str
    token: int


@dataclass(frozen=True)
class Call:
    """One command to run.

    Attributes:
        argv: Program and arguments; never a shell string.
        stdin: Bytes for its standard input; secrets travel here.
        env: Variables added to its environment; never secrets on a remote host.
        cwd: Its working directory, absolute, or relative to the login directory on a host.
        fence: The lease it needs; None for what only reads.
        alone: True where `env` is all of its environment; on the control machine only.
    """

    argv: tuple[str, ...]
    stdin: bytes | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    limits: Limits = Limits()
    fence: Fence | None = None
    alone: bool = False


class Runner(Protocol):
    """Runs commands: on this machine or on a host."""

    @property
    def name(self) -> str:
        """The name people know it by, used in messages."""

    def run(self, call: Call, *, on_line: LineSink | None = None) -> Result:
        """Run a command to its end.

        Returns:
            The finished command, whatever its exit status.

        Raises:
            TransientError: The connection was lost or could not be made.
            TerminalError: A limit was passed (the process was ended), the login was refused, or the command was well
                and its output is too long to be kept whole, where no `on_line` takes it as it comes.
            FencedError: The host knows a higher token.
        """


class Host(Runner, Protocol):
    """A server reached over SSH."""

    def write_file(self, path: str, content: bytes, *, mode: int = 0o644, fence: Fence | None = None) -> None:
        """Write a file whole or not at all (temporary name, fsync, rename); parents are made."""

    def read_file(self, path: str) -> bytes | None:
        """Read a file; None where there is none."""

    def read_pieces(self, path: str, take: PieceSink, *, limits: Limits = Limits()) -> None:
        """Read a file of any size piece by piece; no more than a few pieces are in memory.

        Args:
            take: Given each piece, in order. It may wait, and it may raise to end the reading.

        Raises:
            TransientError: The connection was lost.
            TerminalError: There is no such file, it cannot be read, or a limit was passed.
        """

    def write_pieces(
        self, path: str, pieces: Iterable[bytes], *, size: int, sha256: str, limits: Limits = Limits()
    ) -> None:
        """Write a file of any size piece by piece, for its owner only (0600); parents are made.

        Args:
            path: The file. It appears under its name when all of it arrived, as its checksum shows, or not at all.
            pieces: Its content. What they raise is raised here.

        Raises:
            TransientError: The connection was lost.
            TerminalError: It could not be written, other bytes arrived, or a limit was passed.
        """

    def unpack(self, archive: Archive, directory: str, *, fence: Fence | None = None) -> None:
        """Unpack an archive into a directory that appears whole or not at all (renamed into place).

        A directory of that name that is there already is replaced. Before that, the checksum of every file that was
        unpacked is compared.

        Raises:
            TransientError: The connection was lost.
            TerminalError: It could not be unpacked, or a file, which is named, is not what was sent.
        """

    def raise_fence(self, fence: Fence) -> None:
        """Make a token the highest the host knows, waiting for commands of lower tokens to end.

        Raises:
            FencedError: The host knows a higher one.
        """

    def tunnel(self, address: str, port: int) -> AbstractContextManager[int]:
        """Open a local loopback port that leads to an address as seen from the host."""


class Registry(Protocol):
    """A container registry's HTTP API."""

    def digest(self, repository: str, tag: str) -> str | None:
        """Return the manifest digest a tag has, or None where the tag is unknown.

        Raises:
            TransientError: The registry did not answer.
            TerminalError: The login was refused.
        """

    def tag(self, repository: str, digest: str, tag: str) -> None:
        """Give a digest one more tag. Running it twice changes nothing."""

    def check_login(self) -> None:
        """Check that the address answers and the login is accepted.

        Raises:
            TransientError: The registry did not answer.
            TerminalError: The login was refused.
        """


class Engine(Protocol):
    """The Docker engine on the control machine, where images are built."""

    def push(self, repository: str, tag: str) -> str:
        """Push one local tag.

        Returns:
            The manifest digest the registry gave.

        Raises:
            TransientError: The connection broke.
            TerminalError: The registry refused the push (its word is in the message).
        """


class GitHubReader(Protocol):
    """A repository on GitHub. Every list is read whole; each method raises the same errors.

    Raises:
        TransientError: GitHub did not answer, or wants to be left alone for longer than is waited here.
        TerminalError: The login was refused or lacks a permission (the message names it), or there is no such thing.
    """

    def commit_page(self, sha: str) -> str:
        """Return the address of a commit's page, for people."""

    def checks(self, sha: str) -> tuple[CheckFact, ...]:
        """Read the newest statuses and check runs of exactly this commit."""

    def pulls(self, sha: str) -> tuple[PullRequestFact, ...]:
        """Read the pull requests a commit belongs to, without their reviews."""

    def reviews(self, number: int) -> tuple[ReviewFact, ...]:
        """Read the reviews of a pull request, oldest first."""

    def protection(self, branch: str, *, details: bool) -> ProtectionFact:
        """Read what GitHub enforces on a branch; without details only which checks are required."""

    def budget(self) -> Budget:
        """Read how many requests are left."""


class RuleKeeper(Protocol):
    """The rules of a repository on GitHub: what is enforced on its branches and environments.

    Raises:
        TransientError: GitHub did not answer, or wants to be left alone for longer than is waited here.
        TerminalError: The login was refused or lacks a permission (the message names it), there is no such thing,
            or GitHub's plan does not have it.
    """

    @property
    def page(self) -> str:
        """The repository's address, for people; no two repositories share one."""

    def branch(self, branch: str) -> BranchRules:
        """Read everything that is enforced on a branch, by its protection and by rulesets."""

    def protect(self, branch: str, protection: BranchProtection) -> None:
        """Replace the protection of a branch as a whole."""

    def environment(self, name: str) -> EnvironmentRules:
        """Read what is asked before a job enters an environment."""

    def guard(self, found: EnvironmentRules, wanted: EnvironmentRules) -> None:
        """Make an environment what is wanted, or change it to that, as a whole."""


class GitHubShower(Protocol):
    """A repository on GitHub that promotions are shown on. What is there already is not written again.

    Raises:
        TransientError: GitHub did not answer, or wants to be left alone.
        TerminalError: The login was refused or lacks a permission (the message names it), or GitHub refused the change.
    """

    def find_deployment(self, wish: DeploymentWish) -> int:
        """Find a promotion's deployment; 0 where there is none."""

    def ensure_deployment(self, wish: DeploymentWish) -> int:
        """Find a promotion's deployment, or create it; return its id."""

    def ensure_deployment_state(self, number: int, wish: DeploymentStateWish) -> bool:
        """Give a deployment a state; say whether it was written."""

    def ensure_commit_status(self, wish: CommitStatusWish) -> bool:
        """Give a commit a status; say whether it was written."""

    def ensure_comment(self, pull: int, marker: str, body: str) -> bool:
        """Write a pull request's one comment, or bring it up to date; say whether it was written."""

    def ensure_release(self, wish: ReleaseWish) -> bool:
        """Create a tag's release, unless there is one; say whether it was created."""

    def pulls(self, sha: str) -> tuple[PullRequestFact, ...]:
        """Read the pull requests a commit belongs to, without their reviews."""

    def merged(self, commits: frozenset[str], since: datetime) -> tuple[PullRequestFact, ...]:
        """Read the pull requests whose merges made some commits, the oldest of which was made at a time."""

    def latest_pull(self, head: str, base: str) -> PullFact | None:
        """Read the pull request that was opened last between two branches, open or closed."""

    def open_pull(self, head: str, base: str, title: str, body: str) -> PullFact | None:
        """Open a pull request, or find the open one of the same branches; None where they do not differ."""

    def read_file(self, path: str, branch: str) -> FileFact | None:
        """Read a text file at the head of a branch; None where there is none."""

    def ensure_branch(self, branch: str, start: str) -> bool:
        """Create a branch at the head of another one; say whether it was created."""

    def write_file(self, path: str, text: str, *, branch: str, message: str, blob: str) -> None:
        """Make a commit that changes one file, which holds the blob now."""
