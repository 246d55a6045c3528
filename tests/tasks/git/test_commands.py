"""Git command lines: nothing somebody typed can become an option or a revision of another kind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.git import commands as git
from tasks.kernel.argv import Argv
from tasks.kernel.errors import TerminalError

SHA = "0123456789abcdef0123456789abcdef01234567"
HOSTILE = [
    "",
    "main",
    "--all",
    "HEAD",
    "-x",
    "$(id)",
    SHA[:-1],
    SHA.upper(),
    SHA + "^",
    SHA + "\n",
    f"{SHA}..{SHA}",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "build",
    [
        git.list_tree,
        git.tree_id,
        git.read_tree,
        lambda d, s: git.log(d, s, limit=1),
        lambda d, s: git.is_ancestor(d, s, SHA),
        lambda d, s: git.is_ancestor(d, SHA, s),
    ],
)
def test_only_a_full_id_is_a_commit(build: Callable[[str, str], Argv], text: str) -> None:
    with pytest.raises(TerminalError, match="no full commit id"):
        build("/m.git", text)


@pytest.mark.parametrize("text", ["", "abcdef", "--help", "main", SHA + "0", "ABCDEF0", "abcdefg1"])
def test_only_hex_digits_are_a_prefix(text: str) -> None:
    with pytest.raises(TerminalError, match="no commit id"):
        git.commits_of_prefix("/m.git", text)


def test_a_remote_is_never_an_option() -> None:
    for argv in (git.list_remote("/m.git", "--upload-pack=x"), git.fetch("/m.git", "--upload-pack=x")):
        assert argv.index("--") < argv.index("--upload-pack=x")


def test_the_repository_is_named_in_every_command() -> None:
    argvs = [
        git.list_remote("/m", "u"),
        git.fetch("/m", "u"),
        git.list_refs("/m"),
        git.log("/m", SHA, f"^{SHA}", limit=3),
        git.cat_files("/m"),
        git.checkout_index("/m", "/t"),
        git.set_config("/m", "a", "b"),
    ]
    assert all(argv[:2] == ("git", "--git-dir=/m") for argv in argvs)


def test_revisions_are_never_paths() -> None:
    assert git.log("/m", SHA, limit=1)[-1] == "--"
