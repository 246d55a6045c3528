"""What a flow works with, put together from blocks: a real ledger, a mirror and hosts that are not there."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from blocks.git_repository import GitRepository
from blocks.settings import Settings
from flows.core import session as opening
from flows.core.session import Session, docker_config, open_session, read_pipeline
from tasks.kernel.errors import RefusedError, TerminalError, TransientError
from tasks.ledger.store import Ledger

PIPELINE = """
pipeline: shop
registry: main
environments:
  staging: {hosts: web-1, branches: main}
  prod: {hosts: [web-1, web-2], branches: main, show: {deployments: true}}
"""


class Opened:
    """What `open_session` finds.

    Attributes:
        error: What fetching raises.
        mirrored: True where the repository was fetched before.
        text: pipeline.yaml on the default branch.
        fetched: True for each look that was not waited for long.
    """

    def __init__(self, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ledger = ledger
        self.error: Exception | None = None
        self.mirrored = True
        self.text = PIPELINE
        self.fetched: list[bool] = []
        self.opened: list[str] = []
        repository = GitRepository(url="https://git.example/shop.git", github="shop")
        monkeypatch.setattr(opening, "Settings", lambda: Settings(home=tmp_path))
        monkeypatch.setattr(opening, "read_block", lambda *_: repository)
        monkeypatch.setattr(opening, "open_mirror", self._open)
        monkeypatch.setattr(opening, "fetch", self._fetch)
        monkeypatch.setattr(opening, "read_policy", lambda *_: self.text)

    def _open(self, *_: object) -> Any:
        self.opened.append("mirror")
        return SimpleNamespace(exists=lambda: self.mirrored)

    def _fetch(self, _: object, *, hurried: bool) -> None:
        self.fetched.append(hurried)
        if self.error is not None:
            raise self.error

    def __call__(self, **more: Any) -> Session:
        with open_session("default", ledger=self.ledger, **more) as session:
            return session


@pytest.fixture
def opened(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    return Opened(ledger, tmp_path, monkeypatch)


def test_the_default_branch_decides(opened: Opened) -> None:
    session = opened()
    assert session.policy("prod").hosts == ("web-1", "web-2")
    assert session.ledger is opened.ledger
    with pytest.raises(TerminalError, match="environments are: staging, prod") as caught:
        session.policy("live")
    assert "live" in caught.value.what


@pytest.mark.parametrize(("must", "mirrored"), [(True, True), (True, False), (False, False)])
def test_without_its_repository_a_promotion_does_not_begin(
    opened: Opened, must: bool, mirrored: bool
) -> None:
    opened.error, opened.mirrored = TransientError("git.example does not answer"), mirrored
    with pytest.raises(TransientError):
        opened(must_fetch=must)
    assert opened.fetched == [False]


def test_a_rollback_goes_on_with_what_was_fetched_last(opened: Opened) -> None:
    opened.error = TransientError("git.example does not answer")
    assert opened(must_fetch=False).pipeline.pipeline == "shop"
    assert opened.fetched == [True]


def test_a_repository_that_may_not_be_used_is_not_even_opened(opened: Opened) -> None:
    def refuse(facts: Any) -> None:
        raise RefusedError(f"{facts.url} is another repository")

    with pytest.raises(RefusedError, match="git.example/shop.git is another repository"):
        opened(check=refuse)
    assert opened.opened == []


def test_a_pipeline_that_is_not_valid_names_the_place(opened: Opened) -> None:
    opened.text = "pipeline: [shop"
    with pytest.raises(TerminalError, match="pipeline.yaml"):
        opened()


def test_a_release_describes_itself_unless_its_file_is_of_another_application(opened: Opened) -> None:
    session = opened()
    own = PIPELINE + "compose: [other.yaml]\n"
    assert session.describe("prod", own).compose == ("other.yaml",)
    for text, defaulted in ((PIPELINE, False), ("", True), (own.replace("shop", "blog"), True)):
        found = session.describe("prod", text)
        assert (found.compose, found.defaulted) == ((), defaulted)
    # One that does not know the environment is described by the default branch as well.
    assert session.describe("staging", own.replace("staging:", "stage2:")).compose == ()
    with pytest.raises(TerminalError, match="in the commit"):
        session.describe("prod", "pipeline: [")


def test_only_what_is_shown_needs_github(opened: Opened) -> None:
    session = opened()
    assert session.showing(session.policy("staging")) is None
    shown = session.showing(session.policy("prod"))
    assert shown is not None
    assert shown.github == "shop"


def test_a_login_is_written_only_where_there_is_one() -> None:
    assert docker_config("registry:5000", None, "secret") == "{}"
    assert docker_config("registry:5000", "ci", "") == "{}"
    auths = json.loads(docker_config("registry:5000", "ci", "pa:ss"))["auths"]
    assert base64.b64decode(auths["registry:5000"]["auth"]) == b"ci:pa:ss"


def test_reading_a_pipeline_says_which_file_is_wrong() -> None:
    with pytest.raises(TerminalError, match="some/pipeline.yaml") as caught:
        read_pipeline("environments: 7", "some/pipeline.yaml")
    assert caught.value.todo == "correct the file and push it"
