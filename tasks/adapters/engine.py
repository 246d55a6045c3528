"""The Docker engine on the control machine: pushes, with the errors its stream hides."""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import docker
import docker.errors
import urllib3.exceptions

from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.redact import process_redactor

# How long the engine may be silent, also in the middle of a push.
IDLE_SECONDS = 300
# Another try changes nothing about these; anything else the engine says may be the network.
_FINAL = re.compile(
    r"denied|unauthorized|authentication required|no basic auth|insufficient_scope|forbidden|invalid|"
    r"does not exist|not found|HTTP response to HTTPS client|x509|certificate|quota|immutable",
    re.IGNORECASE,
)


class DockerEngine:
    """An `Engine` over the Docker API, where `DOCKER_HOST` or the Docker context says it is.

    Args:
        username: The registry login's name; without one the Docker configuration's own login is used.
    """

    def __init__(self, username: str = "", password: str = "") -> None:
        self._login = {"username": username, "password": password} if username else None
        if password:
            process_redactor().add(password)

    @cached_property
    def _api(self) -> Any:  # noqa: ANN401 - the library's low-level client is not typed
        client = docker.from_env(timeout=IDLE_SECONDS)
        # Nobody ends an engine: its connections go with the last reference to it.
        weakref.finalize(self, client.close)
        return client.api

    def push(self, repository: str, tag: str) -> str:
        """Push one local tag and return the manifest digest the registry gave. See `Engine.push`."""
        reference = f"{repository}:{tag}"
        with _explained(reference):
            stream = self._api.push(repository, tag=tag, stream=True, decode=True, auth_config=self._login)
            digest = read_push(stream, reference)
        if digest is None:
            raise TransientError(
                f"the push of {reference} ended without a digest",
                "try again; see the engine's log if it fails again",
            )
        return digest


def read_push(stream: Iterable[Mapping[str, Any]], reference: str) -> str | None:
    """Read a push's stream, the only place where its errors and its digest are found."""
    digest = None
    for message in stream:
        if "error" in message:
            raise _refused(reference, str(message["error"]))
        digest = (message.get("aux") or {}).get("Digest", digest)
    return digest


def _refused(reference: str, said: str) -> TerminalError | TransientError:
    text = process_redactor().text(" ".join(said.split()))
    if _FINAL.search(text):
        return TerminalError(
            f"the push of {reference} was refused: {text}",
            "check the registry's block: address, user, password and the right to push there",
        )
    return TransientError(f"the push of {reference} was interrupted: {text}", "try again; check the registry")


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except docker.errors.ImageNotFound as error:
        raise TerminalError(f"the engine has no image {what}", "build it first") from error
    except docker.errors.APIError as error:
        said = process_redactor().text(str(error.explanation or error))
        if error.is_client_error():
            raise TerminalError(f"the Docker engine refused {what}: {said}", "see its log") from error
        raise TransientError(
            f"the Docker engine failed at {what}: {said}", "try again; see its log"
        ) from error
    except (docker.errors.DockerException, urllib3.exceptions.HTTPError, OSError) as error:
        text = process_redactor().text(str(error))
        raise TransientError(
            f"the Docker engine on the control machine does not answer: {text}",
            "start it, or set DOCKER_HOST to where it is",
        ) from error
