"""Names are valid, readable and apart."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.values.lifecycle import Kind
from flows.domain.words.names import (
    RefKind,
    backup_name,
    image_labels,
    image_tags,
    one_off_name,
    public_address,
    release_id,
    run_name,
)
from tasks.kernel.errors import TerminalError
from tests.flows.domain.samples import NOW, SHA, commit

DOCKER_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
KINDS: st.SearchStrategy[RefKind] = st.sampled_from(["branch", "tag"])


def test_a_release_is_named_after_its_commit() -> None:
    assert release_id(commit()) == "20261121053300-1f3c2ab00000"


def test_a_releases_time_is_utc() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=9)))
    assert release_id(commit(committed_at=there)) == release_id(commit())


@pytest.mark.parametrize("sha", ["1f3c2ab", "../../etc", "G" * 40, f"{SHA}\n"])
def test_only_full_commit_ids_name_a_folder(sha: str) -> None:
    with pytest.raises(TerminalError, match="not a full commit id — give a ref"):
        release_id(commit(sha))


@pytest.mark.parametrize(
    ("kind", "environment", "what", "name"),
    [
        (Kind.PROMOTE, "prod", SHA, "promote shop 1f3c2ab → prod"),
        (Kind.PROMOTE, "feature", "feature/x\n", "promote shop feature/x → feature"),
        (Kind.ROLLBACK, "prod", "", "rollback shop → prod"),
    ],
)
def test_a_runs_name_says_what_it_does(kind: Kind, environment: str, what: str, name: str) -> None:
    assert run_name(kind, "shop", environment, what) == name


@pytest.mark.parametrize(
    ("kind", "name", "tag"),
    [
        ("branch", "main", "main"),
        ("branch", "feature/team/login", "feature-team-login"),
        ("tag", "v1.4.0", "v1.4.0"),
    ],
)
def test_readable_refs_keep_their_name(kind: RefKind, name: str, tag: str) -> None:
    assert image_tags(SHA, kind, name) == (SHA, tag)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("branch", "über/x"),
        ("branch", "a+b"),
        ("branch", ".hidden"),
        ("branch", "-rf"),
        ("branch", "x" * 129),
        ("branch", "a" * 40),
        ("branch", "A" * 40),
        ("branch", "v2"),
        ("tag", "v1.4.0+build"),
        ("tag", "b" * 40),
        ("branch", "$(reboot)"),
        ("branch", "\ud800"),
    ],
)
def test_other_refs_get_a_hash_and_take_nobodys_tag(kind: RefKind, name: str) -> None:
    tag = image_tags(SHA, kind, name)[1]
    assert re.search(r"-[0-9a-f]{8}$", tag)
    assert DOCKER_TAG.fullmatch(tag)
    assert tag != name


def test_a_commit_gets_its_id_only() -> None:
    assert image_tags(SHA, "commit", SHA) == (SHA,)
    assert image_tags(SHA, "branch", "") == (SHA,)


@given(KINDS, st.text(min_size=1, max_size=200))
def test_tags_are_valid_and_never_another_commits(kind: RefKind, name: str) -> None:
    for tag in image_tags(SHA, kind, name):
        assert DOCKER_TAG.fullmatch(tag)
    assert not re.fullmatch(r"[0-9a-fA-F]{40}", image_tags(SHA, kind, name)[1])


@given(KINDS, *[st.text(alphabet="ab+é/v1", min_size=1, max_size=140)] * 2)
def test_two_refs_share_a_tag_only_where_slashes_differ(kind: RefKind, one: str, other: str) -> None:
    if one.replace("/", "-") != other.replace("/", "-"):
        assert image_tags(SHA, kind, one) != image_tags(SHA, kind, other)


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://x-access-token:ghs_secret@github.com/team/shop.git", "https://github.com/team/shop.git"),
        ("https://github.com/team/shop?token=secret#secret", "https://github.com/team/shop"),
        ("ssh://git:secret@host:22/shop.git", "ssh://host:22/shop.git"),
        ("git@github.com:team/shop.git", "github.com:team/shop.git"),
        ("github.com:team/shop.git", "github.com:team/shop.git"),
        ("/srv/git/shop.git", "/srv/git/shop.git"),
        ("https://secret@[broken/shop", ""),
    ],
)
def test_addresses_lose_their_credentials(url: str, public: str) -> None:
    assert public_address(url) == public
    assert "secret" not in public


def test_labels_are_equal_for_every_build_of_a_commit() -> None:
    assert image_labels(commit(), "https://u:p@example.com/shop.git") == {
        "org.opencontainers.image.revision": SHA,
        "org.opencontainers.image.source": "https://example.com/shop.git",
        "org.opencontainers.image.created": "2026-11-21T05:33:00+00:00",
    }


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_one_off_names_are_container_and_host_names(pipeline: str, step: str, run: str) -> None:
    name = one_off_name(pipeline, step, run)
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", name)
    assert not name.endswith("-")


def test_long_one_off_names_stay_apart() -> None:
    names = {one_off_name("shop", "migrate", "x" * 80 + str(index)) for index in range(3)}
    assert len(names) == 3
    assert one_off_name("shop", "migrate", "17") == "sluice-shop-migrate-17"


def test_backups_sort_by_time_and_name_their_release() -> None:
    later = datetime(2026, 11, 21, 14, 33, tzinfo=timezone(timedelta(hours=9)))
    assert backup_name("prod", "20261120-1f", later) == "prod-20261121T053300Z-before-20261120-1f.dump"
    assert "/" not in backup_name("../x", "y", NOW)
