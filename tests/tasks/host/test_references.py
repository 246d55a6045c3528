"""Image references as Docker reads them."""

from __future__ import annotations

import pytest

from tasks.host.references import HUB, ImageReference, is_reference, local_name, parse_reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("postgres", (HUB, "library/postgres", "latest", "")),
        ("postgres:17", (HUB, "library/postgres", "17", "")),
        ("team/app:1.2", (HUB, "team/app", "1.2", "")),
        ("docker.io/postgres:17", (HUB, "library/postgres", "17", "")),
        ("ghcr.io/team/app:1", ("ghcr.io", "team/app", "1", "")),
        ("localhost/app", ("localhost", "app", "latest", "")),
        ("127.0.0.1:5000/base/nginx:1.26", ("127.0.0.1:5000", "base/nginx", "1.26", "")),
        ("registry.test:5000/a/b/c", ("registry.test:5000", "a/b/c", "latest", "")),
        (f"redis@{DIGEST}", (HUB, "library/redis", "latest", DIGEST)),
        (f"redis:7@{DIGEST}", (HUB, "library/redis", "7", DIGEST)),
    ],
)
def test_a_reference_is_taken_apart_as_docker_does(text: str, parts: tuple[str, str, str, str]) -> None:
    assert parse_reference(text) == ImageReference(*parts)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("postgres", "postgres:latest"),
        ("docker.io/library/postgres:17", "postgres:17"),
        (f"docker.io/team/app:1@{DIGEST}", f"team/app@{DIGEST}"),
        (f"redis:7@{DIGEST}", f"redis@{DIGEST}"),
        (f"127.0.0.1:5000/base/nginx@{DIGEST}", f"127.0.0.1:5000/base/nginx@{DIGEST}"),
    ],
)
def test_an_engine_lists_an_image_by_this_name(text: str, name: str) -> None:
    assert local_name(text) == name


@pytest.mark.parametrize("text", ["", "-x", "a b", "a\nb", "$(id)", "a*", "ä", "a;b", "'"])
def test_what_is_no_reference_is_never_asked_for(text: str) -> None:
    assert not is_reference(text)
