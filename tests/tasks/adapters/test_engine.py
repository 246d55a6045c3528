"""Pushing with the real engine into a real registry, and what hides in a push's stream."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import docker
import pytest

from tasks.adapters.engine import DockerEngine, read_push
from tasks.adapters.registry import HttpRegistry
from tasks.kernel.errors import SluiceError, TerminalError, TransientError
from tests.fakes.registry import FakeEngine, FakeRegistry
from tests.lab.lab import Lab

# -- the stream -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("denied: requested access to the resource is denied", TerminalError),
        ("unauthorized: authentication required", TerminalError),
        ("no basic auth credentials", TerminalError),
        ("An image does not exist locally with the tag: x", TerminalError),
        ("http: server gave HTTP response to HTTPS client", TerminalError),
        ("x509: certificate signed by unknown authority", TerminalError),
        ("dial tcp 10.0.0.1:5000: connect: connection refused", TransientError),
        ("received unexpected HTTP status: 503 Service Unavailable", TransientError),
        ("EOF", TransientError),
        ("net/http: TLS handshake timeout", TransientError),
        ("context deadline exceeded", TransientError),
    ],
)
def test_an_error_in_the_stream_is_raised(said: str, kind: type[SluiceError]) -> None:
    stream: list[dict[str, Any]] = [
        {"status": "The push refers to repository [x]"},
        {"errorDetail": {"message": said}, "error": said},
    ]
    with pytest.raises(kind) as error:
        read_push(stream, "r:t")
    assert said in str(error.value)
    assert "r:t" in str(error.value)


def test_the_digest_is_taken_from_the_stream() -> None:
    stream: list[dict[str, Any]] = [
        {"status": "The push refers to repository [x]"},
        {"status": "Preparing", "id": "aa", "progressDetail": {}},
        {"status": "Pushing", "id": "aa", "progressDetail": {"current": 5}},
        {"status": "Pushed", "id": "aa", "progressDetail": {}},
        {"status": "Layer already exists", "id": "bb"},
        {"status": "v1: digest: sha256:1 size: 2"},
        {"progressDetail": {}, "aux": {"Tag": "v1", "Digest": "sha256:1", "Size": 2}},
    ]
    assert read_push(stream, "r:t") == "sha256:1"


def test_a_stream_without_digest_gives_none() -> None:
    assert read_push([{"status": "Preparing", "aux": None}], "r:t") is None


# -- the real engine ------------------------------------------------------------------------------------------------


@pytest.fixture
def repository(lab: Lab) -> str:
    return f"{lab.registry.address}/tests/{uuid4().hex[:12]}"


@pytest.fixture
def engine(lab: Lab) -> DockerEngine:
    return DockerEngine(lab.registry.username, lab.registry.password)


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    made = docker.from_env()
    yield made
    made.close()


@pytest.fixture
def local_image(client: docker.DockerClient, repository: str) -> Iterator[str]:
    """An image of one small file, under the repository's tag `v1`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("content")
        info.size = len(repository)
        archive.addfile(info, io.BytesIO(repository.encode()))
    client.api.import_image_from_data(out.getvalue(), repository=repository, tag="v1")
    yield f"{repository}:v1"
    for image in client.images.list(name=repository):
        for tag in image.tags:
            client.images.remove(tag, force=True)


def test_a_pushed_image_has_the_digest_the_registry_tells(
    lab: Lab, engine: DockerEngine, repository: str, local_image: str
) -> None:
    digest = engine.push(repository, "v1")
    told = HttpRegistry(lab.registry.address, lab.registry.username, lab.registry.password, insecure=True)
    assert told.digest(repository, "v1") == digest
    assert engine.push(repository, "v1") == digest


def test_one_image_under_two_tags_has_one_digest(
    client: docker.DockerClient, engine: DockerEngine, repository: str, local_image: str
) -> None:
    client.api.tag(local_image, repository, "v2")
    assert engine.push(repository, "v2") == engine.push(repository, "v1")


def test_a_push_with_a_wrong_password_is_final(lab: Lab, repository: str, local_image: str) -> None:
    engine = DockerEngine(lab.registry.username, "wrong-password")
    with pytest.raises(TerminalError, match="was refused") as error:
        engine.push(repository, "v1")
    assert "wrong-password" not in f"{error.value!r}{error.value.detail}"


def test_an_image_that_is_not_there_is_told(engine: DockerEngine, repository: str) -> None:
    with pytest.raises(TerminalError, match=f"{repository}:none"):
        engine.push(repository, "none")


def test_a_push_to_nobody_may_be_tried_again(
    client: docker.DockerClient, engine: DockerEngine, local_image: str
) -> None:
    client.api.tag(local_image, "127.0.0.1:1/tests/app", "v1")
    with pytest.raises(TransientError, match="was interrupted"):
        engine.push("127.0.0.1:1/tests/app", "v1")
    client.images.remove("127.0.0.1:1/tests/app:v1")


def test_an_engine_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(TransientError, match=r"does not answer.*DOCKER_HOST"):
        DockerEngine().push("app", "v1")


# -- the fake -------------------------------------------------------------------------------------------------------


def test_the_fake_engine_pushes_into_the_fake_registry() -> None:
    registry = FakeRegistry()
    engine = FakeEngine(registry)
    engine.images["local:1"] = "content"
    engine.tag("local:1", f"{registry.address}/app", "v1")
    digest = engine.push(f"{registry.address}/app", "v1")
    assert registry.digest("app", "v1") == digest
    with pytest.raises(TerminalError):
        engine.push(f"{registry.address}/app", "v2")
    engine.denied.add(f"{registry.address}/app")
    with pytest.raises(TerminalError, match="denied"):
        engine.push(f"{registry.address}/app", "v1")
