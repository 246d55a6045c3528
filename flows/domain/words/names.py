"""The names Sluice gives: releases, runs, image tags and labels, containers, backups."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from blocks.values.lifecycle import Kind
from blocks.values.releases import Commit
from flows.domain.words.text import one_line
from tasks.kernel.errors import TerminalError

RefKind = Literal["branch", "tag", "commit"]

_SHA = re.compile(r"[0-9a-f]{40}")
_TAG_LENGTH = 128
_HASH_LENGTH = 8
_NAME_LENGTH = 63
_SCP_ADDRESS = re.compile(r"(?:[^/@:]+@)?([^/@:]{2,}):(?!//)(.+)")


def release_id(commit: Commit) -> str:
    """Return the name of a commit's release: sorts by commit time, safe as a folder name.

    Returns:
        `<commit time as YYYYMMDDHHMMSS, UTC>-<first 12 digits of the commit>`.
    """
    if not _SHA.fullmatch(commit.sha):
        raise TerminalError(
            f"commit {one_line(commit.sha)!r} is not a full commit id", "give a ref that git can resolve"
        )
    return f"{commit.committed_at.astimezone(UTC):%Y%m%d%H%M%S}-{commit.sha[:12]}"


def run_name(kind: Kind, pipeline: str, environment: str, commit: str = "") -> str:
    """Return the name of a flow run.

    Returns:
        For example `promote shop 1f3c2ab → prod`.
    """
    what = commit[:7] if _SHA.fullmatch(commit) else one_line(commit, 40)
    return " ".join(part for part in (kind.value, pipeline, what, "→", environment) if part)


def image_tags(sha: str, ref_kind: RefKind, ref_name: str) -> tuple[str, ...]:
    """Return the tags an image gets: the full commit id, and a readable one for its branch or tag.

    A `/` becomes `-`. Where anything else had to change, or the name would read as a commit id or (a
    branch) as a version, a short hash of the name follows, so that two refs never share a tag by accident and
    none can take another commit's tag.
    """
    if ref_kind == "commit" or not ref_name:
        return (sha,)
    return (sha, _readable_tag(ref_kind, ref_name))


def _readable_tag(ref_kind: RefKind, name: str) -> str:
    dashed = name.replace("/", "-")
    tag = re.sub(r"[^A-Za-z0-9._-]", "-", dashed)
    tag = re.sub(r"^[.-]", "_", tag)
    taken = _SHA.fullmatch(tag.lower()) or (ref_kind == "branch" and re.match(r"v\d", tag))
    if tag == dashed and len(tag) <= _TAG_LENGTH and not taken:
        return tag
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]
    return f"{tag[: _TAG_LENGTH - _HASH_LENGTH - 1]}-{digest}"


def image_labels(commit: Commit, repository_url: str) -> dict[str, str]:
    """Return the OCI labels of an image; equal for every build of a commit.

    Returns:
        Label name → value: revision, source and created (the commit's time, UTC).
    """
    return {
        "org.opencontainers.image.revision": commit.sha,
        "org.opencontainers.image.source": public_address(repository_url),
        "org.opencontainers.image.created": commit.committed_at.astimezone(UTC).isoformat(timespec="seconds"),
    }


def public_address(url: str) -> str:
    """Return a repository address without user, password, query and fragment.

    Args:
        url: An URL, an scp-like address (`git@host:team/shop.git`) or a path.
    """
    scp = _SCP_ADDRESS.fullmatch(url)
    if scp and "://" not in url:
        return f"{scp[1]}:{scp[2]}"
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def one_off_name(pipeline: str, step: str, run: str) -> str:
    """Return the name of a one-off container, so that a run finds what an earlier try left."""
    name = re.sub(r"[^a-z0-9-]+", "-", f"sluice-{pipeline}-{step}-{run}".lower())
    if len(name) > _NAME_LENGTH:
        name = f"{name[: _NAME_LENGTH - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return name.rstrip("-")


# How the file name of a dump begins that was taken for a rehearsal, while the plan was made.
REHEARSAL = "rehearsal-"


def backup_name(environment: str, release: str, taken_at: datetime) -> str:
    """Return the file name of a database dump; sorts by environment and time.

    Returns:
        For example `prod-20261121T053300Z-before-20261120101500-1f3c2ab00000.dump`.
    """
    name = f"{environment}-{taken_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-before-{release}"
    return re.sub(r"[^A-Za-z0-9._-]", "-", name) + ".dump"
