"""The mirror of a repository: real git on real repositories."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import socket
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks.git_repository import GitRepository
from tasks.adapters.file_lock import locked
from tasks.git.log import names_of
from tasks.git.login import GitLogin, split_url
from tasks.git.mirror import GitMirror, mirror_directory
from tasks.git.runner import GitRunner
from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.protocols import Limits
from tests.lab.keys import ensure_key
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.tasks.adapters.web import Reply, in_turn, serve
from tests.tasks.packing import whole

POINTER = "version https://git-lfs.github.com/spec/v1\n"
WHO = {"NAME": "Ana Žák", "EMAIL": "ana@example.com", "DATE": "2026-11-21T10:00:00+01:00"}


@pytest.fixture
def origin(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "origin", WHO)


@pytest.fixture
def mirror(origin: Repository, tmp_path: Path) -> GitMirror:
    return GitMirror(str(origin.path), tmp_path / "mirrors" / "app.git")


# -- fetching -------------------------------------------------------------------------------------------------------


def test_a_mirror_follows_its_repository(origin: Repository, mirror: GitMirror) -> None:
    assert not mirror.exists()
    first = origin.commit("first", file="1")
    origin.git("branch", "topic")
    mirror.fetch()
    assert mirror.exists()
    assert mirror.resolve("main").sha == mirror.resolve("topic").sha == first
    second = origin.commit("second", file="2")
    origin.git("branch", "--delete", "--force", "topic")
    origin.git("tag", "v1")
    mirror.fetch()
    assert mirror.resolve("main").sha == mirror.resolve("v1").sha == second
    with pytest.raises(TerminalError, match="no branch or tag topic"):
        mirror.resolve("topic")


def test_a_rewritten_branch_and_a_moved_tag_are_followed(origin: Repository, mirror: GitMirror) -> None:
    origin.commit("first", file="1")
    old = origin.commit("second", file="2")
    origin.git("tag", "v1")
    mirror.fetch()
    origin.git("reset", "--quiet", "--hard", "HEAD~1")
    new = origin.commit("other", file="3")
    origin.git("tag", "--force", "v1")
    mirror.fetch()
    assert mirror.resolve("main").sha == mirror.resolve("v1").sha == new
    # What ran once stays readable.
    assert mirror.commit(old).subject == "second"


def test_it_tells_where_branches_and_tags_are(origin: Repository, mirror: GitMirror) -> None:
    first = origin.commit("first", file="1")
    origin.git("tag", "--annotate", "--message", "one", "v1")
    second = origin.commit("second", file="2")
    mirror.fetch()
    assert mirror.heads() == {"refs/heads/main": second, "refs/tags/v1": first}
    assert mirror.has_commit(first)
    assert not mirror.has_commit("d" * 40)


def test_a_name_that_others_take_for_two_lines_stops_nobody(origin: Repository, mirror: GitMirror) -> None:
    first = origin.commit("first", file="1")
    names = ("odd\u2028name", "odd\x85name")
    for name in names:
        origin.git("branch", name)
    mirror.fetch()
    assert [mirror.resolve(name).sha for name in ("main", *names)] == [first] * 3


def test_the_default_branch_is_the_repositorys(origin: Repository, mirror: GitMirror) -> None:
    origin.commit("first", file="1")
    mirror.fetch()
    assert mirror.default_branch() == "main"
    origin.git("checkout", "--quiet", "-b", "trunk")
    mirror.fetch()
    assert mirror.default_branch() == "trunk"


def test_a_fetch_without_news_asks_only_once(origin: Repository, mirror: GitMirror) -> None:
    origin.commit("first", file="1")
    origin.git("tag", "-a", "v1", "-m", "annotated")
    mirror.fetch()
    before = (mirror.directory / "objects").stat().st_mtime_ns
    (mirror.directory / "refs").chmod(0o555)
    mirror.fetch()
    (mirror.directory / "refs").chmod(0o755)
    assert (mirror.directory / "objects").stat().st_mtime_ns == before
    assert not (mirror.directory / "FETCH_HEAD").exists()


def test_an_empty_repository_is_no_error(mirror: GitMirror) -> None:
    mirror.fetch()
    assert not mirror.exists()
    with pytest.raises(TerminalError, match="no branch or tag main"):
        mirror.resolve("main")


def test_many_fetch_at_once(origin: Repository, mirror: GitMirror) -> None:
    sha = origin.commit("first", file="1")
    others = [GitMirror(str(origin.path), mirror.directory) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(GitMirror.fetch, others))
    assert mirror.resolve("main").sha == sha


def test_a_fetch_cut_off_at_its_beginning_is_made_good(origin: Repository, mirror: GitMirror) -> None:
    sha = origin.commit("first", file="1")
    mirror.directory.mkdir(parents=True)
    (mirror.directory / "objects").mkdir()
    mirror.fetch()
    assert mirror.resolve("main").sha == sha


def test_a_repository_that_is_not_there_is_final(tmp_path: Path) -> None:
    with pytest.raises(
        TerminalError, match=r"/none cannot be read: .*does not appear to be a git repository"
    ):
        GitMirror(str(tmp_path / "none"), tmp_path / "m.git").fetch()


def test_a_server_that_does_not_answer_may_be_tried_again(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="does not answer"):
        GitMirror("http://127.0.0.1:1/app.git", tmp_path / "m.git").fetch()
    with serve(in_turn(Reply(503))) as web, pytest.raises(TransientError, match="503"):
        GitMirror(f"{web.url}/app.git", tmp_path / "n.git").fetch()


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes requests and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/app.git"


@pytest.mark.timeout(30)
def test_where_what_was_fetched_last_will_do_nobody_waits_for_long(
    origin: Repository, tmp_path: Path, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.git.mirror.HURRIED", Limits(total_seconds=1, idle_seconds=1))
    with pytest.raises(TerminalError, match="ls-remote .* and was ended"):
        GitMirror(silent, tmp_path / "m.git").fetch(hurried=True)
    origin.commit("first", file="1")
    mirror = GitMirror(str(origin.path), tmp_path / "m.git")
    busy = pytest.raises(TerminalError, match=r"holds .*m\.git\.lock for more than 1 s")
    with locked(tmp_path / "m.git.lock"), busy:
        mirror.fetch(hurried=True)
    mirror.fetch(hurried=True)
    assert mirror.exists()


@pytest.mark.timeout(60)
def test_a_fetch_that_goes_on_is_not_taken_for_one_that_hangs(
    origin: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, a repository that took two minutes to come was never fetched."""
    hook = tmp_path / "slow-pack"
    piece = "dd bs=200k count=1 iflag=fullblock 2>/dev/null"
    hook.write_text(f'#!/bin/sh\n"$@" | {{ for i in 1 2 3 4; do {piece}; sleep 1; done; cat; }}\n')
    hook.chmod(0o755)
    (tmp_path / ".gitconfig").write_text(f"[uploadpack]\n packObjectsHook = {hook}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("tasks.git.mirror.NETWORK", Limits(total_seconds=50, idle_seconds=2.5))
    (origin.path / "much").write_bytes(os.urandom(1_000_000))
    sha = origin.commit("first")
    mirror = GitMirror(str(origin.path), tmp_path / "m.git")
    mirror.fetch()
    assert mirror.resolve("main").sha == sha


@pytest.mark.parametrize(
    ("said", "kind", "shown"),
    [
        (
            "Receiving objects:  50% (404/808)\rfatal: early EOF",
            TransientError,
            "does not answer: fatal: early EOF",
        ),
        (
            "remote: Total 401 (delta 0)\nfatal: the remote end hung up",
            TransientError,
            "fatal: the remote end hung up",
        ),
        (
            "remote: Repository not found.\nfatal: no",
            TerminalError,
            "cannot be read: remote: Repository not found",
        ),
    ],
)
def test_what_git_says_while_it_works_is_no_reason(
    said: str, kind: type[Exception], shown: str, tmp_path: Path
) -> None:
    runner = GitRunner("url", tmp_path)
    with pytest.raises(kind, match=re.escape(shown)):
        runner.network(("sh", "-c", 'printf "%b\\n" "$1" >&2; exit 1', "git", said), {})


@pytest.mark.parametrize(
    "url", ["ext::sh -c 'touch pwned'", "--upload-pack=touch pwned", "a\nb", "fd::7", ""]
)
def test_what_is_no_address_never_reaches_git(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TerminalError):
        GitMirror(url, tmp_path / "m.git").fetch()
    assert not (tmp_path / "pwned").exists()


def test_a_hook_of_another_repository_does_not_lead_git_astray(
    origin: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = origin.commit("first", file="1")
    other = Repository(tmp_path / "other", WHO)
    other.commit("elsewhere", file="x")
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.path))
    mirror = GitMirror(str(origin.path), tmp_path / "m.git")
    mirror.fetch()
    assert mirror.resolve("main").sha == sha
    assert (mirror.checkout(sha, tmp_path / "out") / "file").read_text() == "1"


def test_each_address_has_a_mirror_of_its_own(tmp_path: Path) -> None:
    urls = [
        "https://host/a/shop.git",
        "https://host/b/shop.git",
        "git@host:a/shop.git",
        "/srv/git/..",
        "https://h/",
    ]
    found = {mirror_directory(tmp_path, url) for url in urls}
    assert len(found) == len(urls)
    assert all(path.parent == tmp_path for path in found)
    assert mirror_directory(tmp_path, "https://u:t0ken@host/a/shop.git") == mirror_directory(
        tmp_path, urls[0]
    )


# -- names ----------------------------------------------------------------------------------------------------------

# What git takes as a name: it refuses a space itself.
HOSTILE = ["$(touch${IFS}pwned)", "`id`", ";id", "a'b", 'a"b', "|cat", "&", "-dash", "ünï", "a,b", "@", "%s"]


@pytest.fixture
def named(origin: Repository, mirror: GitMirror) -> GitMirror:
    origin.commit("first", file="1")
    for name in HOSTILE:
        # `git branch` refuses some of them; a push does not go through it.
        origin.git("update-ref", f"refs/heads/x/{name}", "HEAD")
        origin.git("update-ref", f"refs/tags/t/{name}", "HEAD")
    origin.git("tag", "-a", "v1.0.0", "-m", "annotated")
    origin.git("tag", "-a", "v1-again", "-m", "a tag of a tag", "v1.0.0")
    origin.commit("second", file="2")
    mirror.fetch()
    return mirror


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_only_a_name(named: GitMirror, name: str) -> None:
    first = named.resolve("v1.0.0").sha
    branch, tag = named.resolve(f"x/{name}"), named.resolve(f"refs/tags/t/{name}")
    assert (branch.kind, branch.name, branch.sha) == ("branch", f"x/{name}", first)
    assert (tag.kind, tag.name, tag.sha) == ("tag", f"t/{name}", first)


NOTATION = [
    "",
    "HEAD",
    "main~1",
    "main^",
    "main^{tree}",
    "v1.0.0..main",
    "a..b",
    "@{-1}",
    ":/first",
    "main:file",
]
NOTATION += [
    "--all",
    "--upload-pack=touch pwned",
    "$(touch pwned)",
    "refs/heads/",
    "\n",
    "main\n",
    "x" * 5000,
]
NOTATION += ["../main", "\udcff"]


@pytest.mark.parametrize("ref", NOTATION)
def test_gits_own_notation_is_no_name(named: GitMirror, ref: str) -> None:
    with pytest.raises(TerminalError, match="there is no") as error:
        named.resolve(ref)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600


def test_the_nearest_names_are_told(named: GitMirror) -> None:
    with pytest.raises(
        TerminalError, match=r"there is no branch or tag v1\.0\.1 .* the nearest are v1\.0\.0"
    ):
        named.resolve("v1.0.1")


def test_an_annotated_tag_stands_for_its_commit(named: GitMirror) -> None:
    assert named.resolve("v1-again").sha == named.resolve("v1.0.0").sha != named.resolve("main").sha
    assert named.commit(named.resolve("v1.0.0").sha).subject == "first"


def test_a_commit_is_found_by_its_id(named: GitMirror) -> None:
    sha = named.resolve("v1.0.0").sha
    for digits in (40, 12, 7):
        found = named.resolve(sha[:digits])
        assert (found.kind, found.name, found.sha) == ("commit", sha, sha)


@pytest.mark.parametrize("digits", ["abcdef", "deadbeef", "a" * 40, "A" * 40, "a" * 41])
def test_an_unknown_id_is_told(named: GitMirror, digits: str) -> None:
    with pytest.raises(TerminalError, match="there is no"):
        named.resolve(digits)


def test_a_name_that_is_branch_and_tag_must_be_given_in_full(origin: Repository, mirror: GitMirror) -> None:
    first = origin.commit("first", file="1")
    origin.git("tag", "both")
    second = origin.commit("second", file="2")
    origin.git("branch", "both")
    mirror.fetch()
    with pytest.raises(
        TerminalError, match="both a branch and a tag — write refs/heads/both or refs/tags/both"
    ):
        mirror.resolve("both")
    assert mirror.resolve("refs/tags/both").sha == first
    assert mirror.resolve("refs/heads/both").sha == second


def test_a_branch_that_looks_like_a_commit_is_ambiguous(origin: Repository, mirror: GitMirror) -> None:
    first = origin.commit("first", file="1")
    origin.commit("second", file="2")
    origin.git("branch", first[:8])
    mirror.fetch()
    # A whole id is a commit's, whoever calls a branch so: promotions that wait are resolved by it.
    origin.git("update-ref", f"refs/heads/{first}", "main")
    mirror.fetch()
    assert mirror.resolve(first).sha == first
    with pytest.raises(TerminalError, match="more than one commit"):
        mirror.resolve(first[:8])


def test_an_id_that_fits_two_commits_is_ambiguous(origin: Repository, mirror: GitMirror) -> None:
    origin.commit("first", file="1")
    blob = origin.git("hash-object", "-w", "file")
    mirror.fetch()
    with pytest.raises(TerminalError, match="there is no commit"):
        mirror.resolve(blob)


def test_a_tag_of_a_file_leads_to_no_commit(origin: Repository, mirror: GitMirror) -> None:
    origin.commit("first", file="1")
    origin.git("tag", "blob", origin.git("rev-parse", "HEAD:file"))
    mirror.fetch()
    with pytest.raises(TerminalError, match="leads to no commit"):
        mirror.resolve("blob")


# -- commits --------------------------------------------------------------------------------------------------------


def test_a_commit_is_told_as_git_has_it(origin: Repository, mirror: GitMirror) -> None:
    sha = origin.commit("Öffne das Tor; $(id)\n\nbody", file="1")
    mirror.fetch()
    found = mirror.commit(sha)
    assert (found.sha, found.subject) == (sha, "Öffne das Tor; $(id)")
    assert (found.author_name, found.author_email) == ("Ana Žák", "ana@example.com")
    assert found.committed_at.isoformat() == "2026-11-21T09:00:00+00:00"


def test_an_empty_subject_is_no_trouble(origin: Repository, mirror: GitMirror) -> None:
    origin.commit("first", file="1")
    origin.git("commit", "--quiet", "--allow-empty", "--allow-empty-message", "-m", "")
    mirror.fetch()
    head = mirror.resolve("main").sha
    assert [commit.subject for commit in mirror._log(head, limit=9)] == ["", "first"]


@pytest.mark.parametrize("sha", ["main", "--all", "", "abc", "a" * 39, "A" * 40, "a" * 40 + "\n"])
def test_only_a_full_id_names_a_commit(named: GitMirror, sha: str, tmp_path: Path) -> None:
    for ask in (named.commit, named.tree, named.tracked, named.tags_at, named.branches_containing):
        with pytest.raises(TerminalError, match="no full commit id"):
            ask(sha)
    with pytest.raises(TerminalError, match="no full commit id"):
        named.checkout(sha, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_commit_the_repository_lacks_is_told(named: GitMirror) -> None:
    with pytest.raises(TerminalError, match="has no such commit"):
        named.commit("a" * 40)


def test_what_comes_in_and_what_goes_out(origin: Repository, mirror: GitMirror) -> None:
    origin.commit("base", file="0")
    origin.git("checkout", "--quiet", "-b", "old")
    old = [origin.commit(f"old {n}", file=f"o{n}") for n in range(2)]
    origin.git("checkout", "--quiet", "main")
    new = [origin.commit(f"new {n}", file=f"n{n}") for n in range(3)]
    mirror.fetch()
    coming, leaving = mirror.commits_between(old[-1], new[-1])
    assert [commit.sha for commit in coming] == new[::-1]
    assert [commit.sha for commit in leaving] == old[::-1]
    assert mirror.commits_between(new[-1], new[-1]) == ([], [])


def test_what_changed_is_what_another_commit_lacks(origin: Repository, mirror: GitMirror) -> None:
    old = origin.commit("One", a="1", b="1", c="1")
    (origin.path / "c").unlink()
    new = origin.commit("Two", b="2", folder__d="1")
    mirror.fetch()
    assert mirror.changed(old, new) == {"b", "folder/d"}
    assert mirror.changed(new, new) == set()
    assert mirror.changed("0" * 40, new) >= {"a", "b", "folder/d"}


def test_which_commit_holds_which(origin: Repository, mirror: GitMirror) -> None:
    first = origin.commit("first")
    second = origin.commit("second")
    origin.git("checkout", "--quiet", "-b", "side", first)
    side = origin.commit("side")
    mirror.fetch()
    assert mirror.holds(second, first)
    assert mirror.holds(second, second)
    assert not mirror.holds(first, second)
    assert not mirror.holds(second, side)
    assert not mirror.holds(second, "0" * 40)


def test_a_running_commit_that_was_lost_does_not_stop_a_plan(origin: Repository, mirror: GitMirror) -> None:
    (origin.path / "much").write_bytes(os.urandom(1_000_000))
    sha = origin.commit("first")
    mirror.fetch()
    coming, leaving = mirror.commits_between("a" * 40, sha)
    assert ([commit.sha for commit in coming], leaving) == ([sha], [])


def test_who_wrote_what_comes_in_is_told_of_all_commits(origin: Repository, mirror: GitMirror) -> None:
    old = origin.commit("first", file="1")
    oldest = origin.commit_by("Zoe Oldest", "zoe@example.org", "the oldest that comes in")
    origin.commits_of("Dora", "dora@example.com", 249)
    new = origin.git("rev-parse", "HEAD")
    mirror.fetch()
    dora = frozenset({"Dora", "dora@example.com"})
    zoe = frozenset({"Zoe Oldest", "zoe@example.org"})
    # The list that people read is cut; who wrote the rest is known nevertheless.
    assert {commit.author_name for commit in mirror.commits_between(old, new)[0]} == {"Dora"}
    assert mirror.authors(new, old) == dora | zoe
    assert mirror.authors(new, oldest) == dora
    assert mirror.authors(new, new) == frozenset()
    everybody = dora | zoe | {WHO["NAME"], WHO["EMAIL"]}
    assert mirror.authors(new, None) == everybody
    assert mirror.authors(new, "a" * 40) == everybody


@pytest.mark.parametrize(
    ("message", "names"),
    [
        ("Pair\n\nbody\n\nCo-authored-by: Ben Boss <ben@example.com>", {"Ben Boss", "ben@example.com"}),
        ("Pair\n\nCO-AUTHORED-BY:ben@example.com", {"ben@example.com"}),
        ("Pair\n\nCo-authored-by: <ben@example.com>", {"ben@example.com"}),
        ("Squash (#7)\n\n* One\n\nCo-authored-by: Ben <b@x.org>\n\n* Two\n\ntext", {"Ben", "b@x.org"}),
        (
            "Two\n\nCo-authored-by: Ben <b@x.org>\nCo-authored-by: Cy <c@x.org>\r\n",
            {"Ben", "b@x.org", "Cy", "c@x.org"},
        ),
        ("Two\n\nCo-authored-by: Ben <b@x.org>, Cy <c@x.org>", {"Ben", "b@x.org", "Cy", "c@x.org"}),
        ("Two\n\nCo-authored-by: Ben <b@x.org> and Cy <c@x.org>", {"Ben", "b@x.org", "Cy", "c@x.org"}),
        ("Pair\n\nCo-authored-by: Ben Boss <ben@example.com> (they)", {"Ben Boss", "ben@example.com"}),
        ("Two\n\nCo-authored-by: b@x.org, c@x.org", {"b@x.org, c@x.org", "b@x.org", "c@x.org"}),
        ("Pair\n\nCo-authored-by: Ben Boss\n  <ben@example.com>", {"Ben Boss", "ben@example.com"}),
        (
            "Two\n\nCo-authored-by: Ben <b@x.org>\n  Co-authored-by: Cy <c@x.org>",
            {"Ben", "b@x.org", "Cy", "c@x.org"},
        ),
        ("Pair\n\nCo-authored-by: Ben Boss (ben@example.com)", {"Ben Boss", "ben@example.com"}),
        ("Pair\n\nCo-authored-by: Ben Boss [@ben-k]", {"Ben Boss", "ben-k"}),
        ("Pair\n\nCo-authored-by: @ben-k", {"ben-k"}),
        ("Squash (#7)\n\n* One\n* Co-authored-by: Ben <b@x.org>", {"Ben", "b@x.org"}),
        (
            "Pair\n\n- Co-author: Ben <b@x.org>\n> Coauthored by: Cy <c@x.org>",
            {"Ben", "b@x.org", "Cy", "c@x.org"},
        ),
        ("Two\n\nCo-authors: Ben <b@x.org>,\n  Cy <c@x.org>", {"Ben", "b@x.org", "Cy", "c@x.org"}),
        ("No\n\nThis is not Co-authored-by: Ben <b@x.org>\nSigned-off-by: Cy <c@x.org>", set()),
    ],
)
def test_co_authors_wrote_it_too(
    origin: Repository, mirror: GitMirror, message: str, names: set[str]
) -> None:
    old = origin.commit("first", file="1")
    new = origin.commit(message)
    mirror.fetch()
    assert mirror.authors(new, old) == frozenset(names | {WHO["NAME"], WHO["EMAIL"]})


def test_authors_that_are_not_all_known_are_told_as_none(
    origin: Repository, mirror: GitMirror, tmp_path: Path
) -> None:
    first = origin.commit("first", file="1")
    # A mailmap is a commit's own word on who wrote it.
    old = origin.commit("mailmap", **{".mailmap": "Eve <eve@example.com> <ana@example.com>\n"})
    origin.commit_by("", "", "by nobody")
    new = origin.commit("last", file="2")
    mirror.fetch()
    assert mirror.authors(old, first) == frozenset({WHO["NAME"], WHO["EMAIL"]})
    assert mirror.authors(new, old) is None
    shallow = tmp_path / "shallow.git"
    argv = ("git", "clone", "--quiet", "--bare", "--depth=1", f"file://{origin.path}", str(shallow))
    subprocess.run(argv, check=True, capture_output=True)
    assert GitMirror(str(origin.path), shallow).authors(new, None) is None


def test_a_list_of_authors_that_was_cut_is_not_taken_for_all() -> None:
    sha, told = "a" * 40, "[7 bytes left out]\n"
    wrote = f"{sha}\0Ana\0a@x.org\0\n"
    assert names_of(wrote * 2, "") == frozenset({"Ana", "a@x.org"})
    assert names_of(told + wrote, "") is None
    assert names_of(f"{told}a\0Ana\0a@x.org\0\n{wrote}", "") is None
    assert names_of(wrote, f"{told}Co-authored-by: Ben\0\n{sha}\0x\0") is None


def test_an_author_whose_name_and_address_cannot_be_read_is_nobody_known() -> None:
    # Git passes on bytes that are no UTF-8, as old clients wrote them.
    sha, lost = "a" * 40, b"Z\xf6e".decode(errors="replace")
    assert names_of(f"{sha}\0{lost}\0zoe@x.org\0\n", "") == frozenset({lost, "zoe@x.org"})
    assert names_of(f"{sha}\0{lost}\0{lost}@x.org\0\n", "") is None
    assert names_of(f"{sha}\0{lost}\0\0\n", "") is None


def test_tags_and_branches_of_a_commit(origin: Repository, mirror: GitMirror) -> None:
    first = origin.commit("first", file="1")
    origin.git("tag", "light")
    origin.git("tag", "-a", "heavy", "-m", "x")
    origin.git("branch", "release/1")
    second = origin.commit("second", file="2")
    mirror.fetch()
    assert mirror.tags_at(first) == ["heavy", "light"]
    assert mirror.tags_at(second) == []
    assert mirror.branches_containing(first) == ["main", "release/1"]
    assert mirror.branches_containing(second) == ["main"]


# -- files ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def filled(origin: Repository, mirror: GitMirror) -> tuple[GitMirror, str]:
    (origin.path / "link").symlink_to("deep/file")
    (origin.path / "outside").symlink_to("/etc/passwd")
    (origin.path / "dangling").symlink_to("nothing")
    files = {
        "compose.yml": "services: {}\n",
        "deep__file": "deep\n",
        "deep__two words": "2",
        "-n": "dash",
        ".hidden": "h",
    }
    files |= {
        ".gitattributes": "compose.yml export-ignore\nsubst export-subst\n",
        "subst": "$Format:%H$",
        "ünï": "u",
    }
    origin.commit("before", **files)
    (origin.path / "deep/file").chmod(0o755)
    sha = origin.commit("files")
    mirror.fetch()
    return mirror, sha


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("compose.yml", "services: {}\n"),
        ("deep/file", "deep\n"),
        ("deep/two words", "2"),
        ("-n", "dash"),
        ("ünï", "u"),
        ("link", "deep\n"),
        ("missing", None),
        ("deep", None),
        ("outside", None),
        ("dangling", None),
        ("", None),
        ("/etc/passwd", None),
        ("../origin/compose.yml", None),
        ("deep/../compose.yml", None),
        ("compose.yml\nHEAD:compose.yml", None),
        ("compose.yml/x", None),
    ],
)
def test_a_file_is_read_from_the_commit(filled: tuple[GitMirror, str], path: str, text: str | None) -> None:
    mirror, sha = filled
    assert mirror.read_file(sha, path) == text


def test_every_path_is_told(filled: tuple[GitMirror, str]) -> None:
    mirror, sha = filled
    told = mirror.tracked(sha)
    assert {"compose.yml", "deep/file", "deep/two words", "-n", ".hidden", "link", "ünï"} <= told
    assert "deep" not in told


def test_an_archive_holds_what_was_asked_for(filled: tuple[GitMirror, str]) -> None:
    mirror, sha = filled
    content = whole(mirror.archive(sha, ("compose.yml", "deep/", "link", "subst", "-n")))
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        found = {member.name: member for member in archive}
        listed = {".sluice-files"}
        assert set(found) - listed == {"-n", "compose.yml", "deep/file", "deep/two words", "link", "subst"}
        assert (found["deep/file"].mode, found["compose.yml"].mode) == (0o755, 0o644)
        assert found["link"].linkname == "deep/file"
        assert archive.extractfile("subst").read() == b"$Format:%H$"  # type: ignore[union-attr]
    again = mirror.archive(sha, ("subst", "deep", "-n", "compose.yml", "link", "deep/file"))
    assert content == whole(again)
    assert again.size == len(content)


def test_an_archive_of_everything(filled: tuple[GitMirror, str]) -> None:
    mirror, sha = filled
    with tarfile.open(fileobj=io.BytesIO(whole(mirror.archive(sha, (".",))))) as archive:
        assert set(archive.getnames()) == {*mirror.tracked(sha), ".sluice-files"}


def test_what_is_larger_than_any_output_that_is_kept_arrives_whole(
    origin: Repository, mirror: GitMirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git's output is twice what a runner keeps; the largest file alone is more."""
    monkeypatch.setattr("tasks.adapters.command_runner.KEPT_STDOUT_BYTES", 1 << 20)
    (origin.path / "data").mkdir()
    sizes = {"data/a small": 5, "data/b": 5 << 18, "data/d empty": 0, "data/e": 3 << 18}
    for name, size in sizes.items():
        with (origin.path / name).open("wb") as file:
            # A hole of zeros, quickly compressed, with an end of its own.
            file.truncate(max(0, size - 5))
            file.seek(0, os.SEEK_END)
            file.write(name[-5:].encode()[:size])
    sha = origin.commit("much")
    mirror.fetch()
    archive = mirror.archive(sha, ("data",))
    made = tmp_path / "made.tar"
    with made.open("wb") as file:
        file.writelines(archive.pieces())
    with tarfile.open(made) as members:
        found = {member.name: member.size for member in members}
    assert found.pop(".sluice-files")
    assert found == sizes
    for name in sizes:
        with (origin.path / name).open("rb") as file:
            assert archive.checksums[name] == hashlib.file_digest(file, "sha256").hexdigest()


def test_a_listing_that_was_cut_is_refused(
    filled: tuple[GitMirror, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror, sha = filled
    monkeypatch.setattr("tasks.adapters.command_runner.KEPT_STDOUT_BYTES", 100)
    # Two pieces, of which the first is dropped.
    monkeypatch.setattr("tasks.adapters.local.CHUNK", 60)
    with pytest.raises(TerminalError, match="ls-tree .*incomplete output is not used"):
        mirror.tracked(sha)


def test_content_that_the_mirror_lost_is_no_empty_file(origin: Repository, mirror: GitMirror) -> None:
    sha = origin.commit("files", **{"compose.yml": "services: {}\n", "kept": "k", "lost": "content\n"})
    mirror.fetch()
    blob = origin.git("rev-parse", f"{sha}:lost")
    (pack,) = (mirror.directory / "objects/pack").glob("*.pack")
    unpack = ("git", f"--git-dir={mirror.directory}", "unpack-objects", "-q")
    with pack.rename(mirror.directory / "moved").open("rb") as content:
        subprocess.run(unpack, check=True, stdin=content)
    (mirror.directory / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(TerminalError, match="has not the content of lost"):
        mirror.archive(sha, (".",))
    with pytest.raises(TerminalError, match="has not the content of lost"):
        mirror.read_file(sha, "lost")
    assert mirror.read_file(sha, "never there") is None


def test_a_file_is_told_by_what_it_holds_and_a_link_by_what_it_leads_to(
    origin: Repository, mirror: GitMirror
) -> None:
    (origin.path / "link").symlink_to("deep/file")
    (origin.path / "away").symlink_to("/etc/hostname")
    (origin.path / "round").symlink_to("round")
    sha = origin.commit("files", deep__file="text", other="text")
    mirror.fetch()
    archive = mirror.archive(sha, (".",))
    texts = {name: archive.fingerprint(name) for name in ("deep/file", "other", "link", "away", "round")}
    assert texts["deep/file"] == texts["other"] == texts["link"] == hashlib.sha256(b"text").hexdigest()
    # Never what the control machine has under that name.
    assert texts["away"] == hashlib.sha256(b"/etc/hostname").hexdigest()
    assert texts["round"] == hashlib.sha256(b"round").hexdigest()


def test_what_a_commit_has_only_a_word_of_is_refused_by_name(origin: Repository, mirror: GitMirror) -> None:
    """It would arrive as a file of 130 bytes, or as an empty folder."""
    sha = origin.commit(
        "files", **{"compose.yml": "services: {}\n", "big": f"{POINTER}oid sha256:{'0' * 64}\nsize 9\n"}
    )
    origin.git("update-index", "--add", "--cacheinfo", f"160000,{sha},lib")
    origin.git("commit", "--quiet", "-m", "submodule")
    sha = origin.git("rev-parse", "HEAD")
    mirror.fetch()
    assert mirror.archive(sha, ("compose.yml",)).paths == ("compose.yml",)
    with pytest.raises(TerminalError, match="big is kept in Git LFS"):
        mirror.archive(sha, ("big", "compose.yml"))
    for path in ("lib", "lib/"):
        with pytest.raises(TerminalError, match="lib is a submodule"):
            mirror.archive(sha, ("compose.yml", path))


def test_links_are_told_with_what_they_lead_to(origin: Repository, mirror: GitMirror) -> None:
    (origin.path / "link").symlink_to("deep/file")
    sha = origin.commit("files", deep__file="text")
    mirror.fetch()
    assert mirror.links(sha) == {"link": "deep/file"}


@pytest.mark.parametrize("path", ["missing", "deep/missing", "dee", "/etc", "*", ":(glob)**"])
def test_a_path_that_is_not_there_is_told(filled: tuple[GitMirror, str], path: str) -> None:
    mirror, sha = filled
    with pytest.raises(TerminalError, match=f"is not in commit {sha[:7]}"):
        mirror.archive(sha, ("compose.yml", path))


def test_a_checkout_holds_every_file(filled: tuple[GitMirror, str], tmp_path: Path) -> None:
    mirror, sha = filled
    folder = mirror.checkout(sha, tmp_path / "work" / sha)
    found = {
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or path.is_file()
    }
    assert found == mirror.tracked(sha)
    assert os.access(folder / "deep/file", os.X_OK)
    assert [path.name for path in folder.parent.iterdir()] == [sha]


def test_a_commit_passes_no_file_through_the_operators_filters(
    origin: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "settings").write_text(
        f'[filter "lfs"]\nsmudge = "touch {tmp_path}/ran; cat"\nrequired = true\n'
    )
    for scope in ("GLOBAL", "SYSTEM"):
        monkeypatch.setenv(f"GIT_CONFIG_{scope}", str(tmp_path / "settings"))
    sha = origin.commit("first", **{".gitattributes": "* filter=lfs\n"})
    mirror = GitMirror(str(origin.path), tmp_path / "of-its-own.git")
    mirror.fetch()
    assert (mirror.checkout(sha, tmp_path / sha) / ".gitattributes").read_text() == "* filter=lfs\n"
    assert not (tmp_path / "ran").exists()


def test_a_checkout_is_used_again(filled: tuple[GitMirror, str], tmp_path: Path) -> None:
    mirror, sha = filled
    folder = mirror.checkout(sha, tmp_path / sha)
    (folder / "mark").touch()
    assert (mirror.checkout(sha, tmp_path / sha) / "mark").exists()


def test_a_failed_checkout_leaves_nothing(filled: tuple[GitMirror, str], tmp_path: Path) -> None:
    mirror, _ = filled
    with pytest.raises(TerminalError, match="no such commit"):
        mirror.checkout("a" * 40, tmp_path / "work" / "x")
    assert list((tmp_path / "work").iterdir()) == []


def test_many_check_out_the_same_at_once(filled: tuple[GitMirror, str], tmp_path: Path) -> None:
    mirror, sha = filled
    start = threading.Barrier(4)

    def check_out(_: int) -> Path:
        start.wait()
        return mirror.checkout(sha, tmp_path / "work" / sha)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(check_out, range(4))) == {tmp_path / "work" / sha}
    assert [path.name for path in (tmp_path / "work").iterdir()] == [sha]


def test_equal_files_have_equal_trees(origin: Repository, mirror: GitMirror) -> None:
    first = origin.commit("first", file="1")
    second = origin.commit("second")
    third = origin.commit("third", file="3")
    mirror.fetch()
    assert mirror.tree(first) == mirror.tree(second) != mirror.tree(third)


# -- logins ---------------------------------------------------------------------------------------------------------

TOKEN = "ghp_s3cretT0kenForTests"


def stored(mirror: GitMirror) -> str:
    return "".join(path.read_text(errors="replace") for path in mirror.directory.rglob("*") if path.is_file())


@pytest.mark.parametrize("in_url", [False, True])
def test_a_token_is_sent_and_kept_nowhere(tmp_path: Path, in_url: bool) -> None:
    with serve(in_turn(Reply(401, headers={"WWW-Authenticate": 'Basic realm="git"'}))) as web:
        if in_url:
            mirror = GitMirror(f"http://bot:{TOKEN}@{web.address}/app.git", tmp_path / "m.git")
        else:
            mirror = GitMirror(
                f"{web.url}/app.git", tmp_path / "m.git", GitLogin(token=TOKEN, username="bot")
            )
        with pytest.raises(TerminalError, match="cannot be read") as error:
            mirror.fetch()
    coded = base64.b64encode(f"bot:{TOKEN}".encode()).decode()
    assert web.asked[0].headers["Authorization"] == f"Basic {coded}"
    assert mirror.public_url == f"{web.url}/app.git"
    for text in (repr(error.value), error.value.detail, stored(mirror), repr(mirror.__dict__)):
        assert TOKEN not in text
        assert coded not in text


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("token", ["", TOKEN])
def test_a_repository_that_is_elsewhere_now_is_not_followed(tmp_path: Path, status: int, token: str) -> None:
    """Git follows by itself, and sends the login to whatever host it is led to."""
    there = {"Location": "/umbrella/store.git/info/refs?service=git-upload-pack"}
    with serve(in_turn(Reply(status, headers=there))) as web:
        mirror = GitMirror(f"{web.url}/app.git", tmp_path / "m.git", GitLogin(token=token))
        with pytest.raises(TerminalError, match=f"app.git is redirected .status {status}.*not followed"):
            mirror.fetch()
    assert [one.path.partition("?")[0] for one in web.asked] == ["/app.git/info/refs"]
    assert ("Authorization" in web.asked[0].headers) == bool(token)


def test_a_login_that_is_missing_fails_and_does_not_ask(tmp_path: Path) -> None:
    with serve(in_turn(Reply(401, headers={"WWW-Authenticate": 'Basic realm="git"'}))) as web:
        with pytest.raises(TerminalError, match="cannot be read"):
            GitMirror(f"{web.url}/app.git", tmp_path / "m.git").fetch()
        assert "Authorization" not in web.asked[0].headers


@pytest.mark.parametrize(
    ("url", "shown", "token"),
    [
        ("https://host/a.git", "https://host/a.git", ""),
        ("https://user:pa%20ss@host:8443/a.git", "https://host:8443/a.git", "pa ss"),
        ("https://tokenonly@host/a.git", "https://host/a.git", "tokenonly"),
        ("git@host:a/b.git", "git@host:a/b.git", ""),
        ("ssh://git@host/a.git", "ssh://git@host/a.git", ""),
        ("/srv/a.git", "/srv/a.git", ""),
    ],
)
def test_a_login_is_taken_out_of_an_address(url: str, shown: str, token: str) -> None:
    found, login = split_url(url, GitLogin())
    assert (found, login.token) == (shown, token)


def ssh_login(server: Server, **changes: str) -> GitLogin:
    known = f"{server.address} {server.host_key}\n"
    return GitLogin(**({"ssh_key": server.private_key_path.read_text(), "known_hosts": known} | changes))


def test_an_ssh_login_gets_as_far_as_git_itself(server: Server, tmp_path: Path) -> None:
    # The server has no git: its shell saying so proves that key and host key were accepted.
    mirror = GitMirror(f"ssh://deploy@{server.address}/app.git", tmp_path / "m.git", ssh_login(server))
    with pytest.raises((TerminalError, TransientError), match="git-upload-pack"):
        mirror.fetch()


def test_an_ssh_host_that_is_not_known_is_final(server: Server, tmp_path: Path) -> None:
    login = ssh_login(server, known_hosts=f"{server.address} {ensure_key(tmp_path / 'other')}")
    with pytest.raises(TerminalError, match="Host key verification failed"):
        GitMirror(f"ssh://deploy@{server.address}/app.git", tmp_path / "m.git", login).fetch()


def test_an_ssh_key_that_is_refused_is_final(server: Server, tmp_path: Path) -> None:
    ensure_key(tmp_path / "other")
    login = ssh_login(server, ssh_key=(tmp_path / "other").read_text())
    with pytest.raises(TerminalError, match="Permission denied"):
        GitMirror(f"ssh://deploy@{server.address}/app.git", tmp_path / "m.git", login).fetch()


def test_an_ssh_key_is_on_disk_only_while_it_is_used(tmp_path: Path) -> None:
    login = GitLogin(ssh_key="the key", known_hosts="host ssh-ed25519 AAAA")
    with login.environment("git@host:a.git") as environment:
        words = environment["GIT_SSH_COMMAND"].split()
        key = Path(words[words.index("-i") + 1])
        assert key.read_text() == "the key\n"
        assert key.stat().st_mode & 0o077 == 0
        assert "StrictHostKeyChecking=yes" in environment["GIT_SSH_COMMAND"]
    assert not key.exists()


def test_an_ssh_key_without_known_hosts_is_refused() -> None:
    with (
        pytest.raises(TerminalError, match="no host keys"),
        GitLogin(ssh_key="k").environment("git@host:a.git"),
    ):
        pytest.fail("it must not get so far")


def test_a_block_makes_a_mirror(origin: Repository, tmp_path: Path) -> None:
    sha = origin.commit("first", file="1")
    mirror = GitMirror.of(GitRepository(url=str(origin.path)), tmp_path / "m.git")
    mirror.fetch()
    assert mirror.resolve("main").sha == sha
    block = GitRepository(url="https://host/a.git", token=SecretStr(TOKEN))
    assert TOKEN not in repr(GitMirror.of(block, tmp_path / "n.git").__dict__)
