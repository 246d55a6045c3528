"""What is shown on GitHub is off unless it is asked for, and decides nothing."""

from __future__ import annotations

import pytest

from blocks.pipeline import PipelineError, Show, load_pipeline

TEXT = """
pipeline: shop
{show}
environments:
  staging: {{hosts: staging, branches: main}}
  prod:
    hosts: prod
    tags: v*
    {own}
"""


def show_of(environment: str, show: str = "", own: str = "") -> Show:
    return load_pipeline(TEXT.format(show=show, own=own)).policy(environment).show


def test_nothing_is_shown_unless_it_is_asked_for() -> None:
    assert show_of("prod") == Show()
    assert not show_of("prod").anything
    assert Show().permissions == ()


def test_an_environment_replaces_what_the_pipeline_shows() -> None:
    shown = "show: {deployments: true, changelog: docs/CHANGELOG.md}"
    assert show_of("staging", shown).deployments
    assert show_of("staging", shown).changelog == "docs/CHANGELOG.md"
    own = show_of("prod", shown, "show: {status: true}")
    assert own == Show(status=True)
    assert not show_of("prod", shown, "show: {}").anything


def test_it_decides_nothing_so_no_plan_gets_another_hash() -> None:
    plain, shown = (
        load_pipeline(TEXT.format(show=show, own="")).policy("prod").checksum
        for show in ("", "show: {deployments: true, release: true}")
    )
    assert plain == shown


@pytest.mark.parametrize("bad", ["show: {changelog: ../x}", "show: {comments: true}", "show: {status: soon}"])
def test_what_is_no_show(bad: str) -> None:
    with pytest.raises(PipelineError):
        show_of("prod", bad)


@pytest.mark.parametrize(
    ("show", "needed"),
    [
        (Show(deployments=True), ("Deployments: write",)),
        (Show(comment=True), ("Contents: read", "Pull requests: write")),
        (Show(release=True), ("Contents: write", "Pull requests: read")),
        (Show(comment=True, release=True), ("Contents: write", "Pull requests: write")),
        (
            Show(changelog="C.md", status=True),
            ("Commit statuses: write", "Contents: write", "Pull requests: write"),
        ),
    ],
)
def test_what_the_login_needs(show: Show, needed: tuple[str, ...]) -> None:
    assert show.permissions == needed
