"""Paths that lead out of a folder, in every spelling."""

from __future__ import annotations

import pytest

from tasks.host.paths import leads_out, within


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("/src/shop", "."),
        ("/src/shop/", "."),
        ("/src/shop/a/b", "a/b"),
        ("/src/shop/a/../b", "b"),
        ("a/./b", "a/b"),
        ("..data", "..data"),
        ("/src/shopping", None),
        ("/src", None),
        ("..", None),
        ("a/../../x", None),
        ("/", None),
    ],
)
def test_a_path_is_within_a_folder_or_nowhere(path: str, inside: str | None) -> None:
    assert within(path, "/src/shop") == inside


@pytest.mark.parametrize(
    ("path", "out"), [("..", True), ("../a", True), ("/a", True), ("..a", False), (".", False)]
)
def test_what_leads_out(path: str, out: bool) -> None:
    assert leads_out(path) is out
