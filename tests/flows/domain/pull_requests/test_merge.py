"""May a pull request be merged without a person? Everything that must be a no, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from blocks.pipeline import AutoMergeRule
from blocks.values.pull_requests import PullContent, Push
from flows.domain.pull_requests.merge import MergeContext, MergeVerdict, decides, may_merge, since_made
from tests.flows.domain.pull_requests.samples import HEAD, content, pull

DOCS = AutoMergeRule(into="staging", authors=("Ana", "ben"), paths=("docs/**", "*.md"))
GROUND = MergeContext(repository="Acme/Shop", pipeline_path="deploy/pipeline.yaml", rules=(DOCS,))


def judged(found: PullContent, *rules: AutoMergeRule) -> MergeVerdict:
    return may_merge(found, GROUND.model_copy(update={"rules": rules or GROUND.rules}))


def refused(found: PullContent, *rules: AutoMergeRule) -> str:
    verdict = judged(found, *rules)
    assert verdict.rule is None
    return verdict.reason


def test_what_fits_a_rule_may() -> None:
    assert judged(content("docs/a.md", "README.md")) == MergeVerdict(
        rule=DOCS, reason="by ana, and only what may be changed"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"open": False}, "it is closed"),
        ({"head_repository": "eve/shop"}, "it comes from a fork"),
        ({"head_repository": ""}, "it comes from a fork, or from a repository that is gone"),
        ({"base": "main"}, "no rule names main"),
        ({"draft": True}, "it is a draft"),
        ({"author": ""}, "whoever opened it is not a listed author"),
        ({"author": "eve"}, "eve is not a listed author"),
        ({"author": "ana[bot]"}, "ana[bot] is not a listed author"),
        ({"commits": None}, "it has an unknown number of commits"),
        ({"commits": 0}, "it has 0 commits"),
        ({"commits": 250}, "it has 250 commits"),
        ({"commits": 2}, "GitHub did not list all its commits and files"),
        ({"changed_files": None}, "it changes an unknown number of files"),
        ({"changed_files": 0}, "it changes 0 files"),
        ({"changed_files": 301}, "it changes 301 files"),
        ({"changed_files": 2}, "GitHub did not list all its commits and files"),
    ],
)
def test_what_the_pull_request_itself_tells(change: dict[str, Any], said: str) -> None:
    assert refused(content(pull=pull(**change))).startswith(said)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (content(authors=("ana", "")), "GitHub does not know who wrote one of its commits"),
        (content(authors=("ana", "eve")), "eve wrote one of its commits, and ana opened it"),
        (content(authors=("ben",)), "ben wrote one of its commits, and ana opened it"),
        (content(pushes=()), "no delivery says who pushed its newest commit"),
        (
            content(pushes=(Push(sender="ana", sha="b" * 40),)),
            "no delivery says who pushed its newest commit",
        ),
        (
            content(pushes=(Push(sender="eve", sha="b" * 40), Push(sender="ana", sha=HEAD))),
            "eve pushed to its branch, and ana opened it",
        ),
        (content(pushes=(Push(sender="", sha=HEAD),)), "no delivery says who pushed one of its commits"),
        (content(required_checks=0), "GitHub requires no check on staging"),
    ],
)
def test_who_else_had_a_hand_in_it(found: PullContent, said: str) -> None:
    assert refused(found).startswith(said)


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (("src/a.py",), "src/a.py is not among the paths that may be changed"),
        (("docs/a.md", "src/a.md"), "src/a.md is not among the paths"),
        (("src/a.py → docs/a.md",), "src/a.py is not among the paths"),
        (("docs/a.md → src/a.py",), "src/a.py is not among the paths"),
        (("docs/CODEOWNERS",), "docs/CODEOWNERS is policy, so a person has to merge it"),
        (("docs/.github/workflows/a.yml",), "is policy, so a person has to merge it"),
    ],
)
def test_every_path_must_be_allowed(paths: tuple[str, ...], said: str) -> None:
    assert said in refused(content(*paths))


@pytest.mark.parametrize(
    "path",
    [
        "deploy/pipeline.yaml",
        "Deploy/Pipeline.yaml",
        ".github/workflows/ci.yml",
        ".GitHub/CODEOWNERS",
        "CODEOWNERS",
        "docs/.gitattributes",
        ".gitmodules",
    ],
)
def test_what_decides_is_never_changed_without_a_person(path: str) -> None:
    everything = DOCS.model_copy(update={"paths": ("**",)})
    assert "is policy, so a person has to merge it" in refused(content(path), everything)
    assert decides(path, "deploy/pipeline.yaml")
    assert judged(content("src/pipeline.yaml"), everything).rule is everything


def test_any_rule_that_fits_will_do() -> None:
    code = AutoMergeRule(into="staging", authors=("ben",), paths=("**",))
    other = AutoMergeRule(into="main", authors=("ana",), paths=("**",))
    assert judged(content("docs/a.md"), other, code, DOCS).rule is DOCS
    assert refused(content("src/a.py"), code, DOCS, DOCS) == (
        "ana is not a listed author; src/a.py is not among the paths that may be changed"
    )


def test_what_another_branch_of_that_name_had_does_not_count() -> None:
    old, gone, new = (
        Push(sender="eve", sha="b" * 40),
        Push(sender="eve", sha=""),
        Push(sender="ana", sha=HEAD),
    )
    assert since_made([old, gone, new]) == (new,)
    assert since_made([old, new]) == (old, new)
    assert since_made([new, gone]) == ()
    assert since_made([]) == ()


def test_a_push_that_was_found_by_itself_is_told_of_after_all() -> None:
    found, told = Push(sender="", sha=HEAD), Push(sender="ana", sha=HEAD)
    assert since_made([found, told]) == since_made([told, found]) == (told,)
    other = Push(sender="ana", sha="b" * 40)
    assert since_made([found, other]) == (found, other)
