"""The smoke checks: they decide whether a release works."""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, JsonValue, Tag, model_validator

from blocks.pipeline.durations import Duration
from blocks.pipeline.fields import (
    Argv,
    BlockName,
    HeaderName,
    HttpPath,
    ServiceName,
    SocketAddress,
    Text,
    WebAddress,
)
from blocks.pipeline.problems import nearest
from blocks.pipeline.sections import ConflictError
from blocks.pipeline.shapes import one_or_many
from blocks.values.base import Value

Via = Literal["host", "controller"]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
Status = Annotated[int, Field(ge=100, le=599)]

PLACEHOLDERS = ("address", "environment", "pipeline", "release", "commit")
_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")


class _Check(Value):
    """What the checks share."""

    # `json` and `in` are no names for Python attributes, so these two have an alias.
    model_config = ConfigDict(serialize_by_alias=True)

    timeout: Duration = Field(10.0, gt=0, description="How long one try may take.")
    within: Duration = Field(
        30.0, description="How long a failing check is tried again before it counts as failed."
    )


class _NetworkCheck(_Check):
    """What the checks over the network share."""

    via: Via = Field(
        "host",
        description="Where the address is seen from: the host (over its SSH login) or the control machine.",
    )


class HttpCheck(_NetworkCheck):
    """An HTTP request and what the answer must be."""

    http: HttpPath = Field(description="The path, with its query; it follows the address.")
    method: Method = Field("GET", description="The request's method.")
    status: Annotated[
        tuple[Status, ...], BeforeValidator(one_or_many, json_schema_input_type=Status | tuple[Status, ...])
    ] = Field((200,), min_length=1, description="The expected status, or a list of them.")
    expected_json: JsonValue = Field(
        None, alias="json", description="What the JSON answer must contain, at least: a subset is enough."
    )
    headers: dict[HeaderName, Text] = Field(
        {}, description="Request headers, such as Host where a proxy chooses by name. Never secrets."
    )
    header_secrets: dict[HeaderName, BlockName] = Field(
        {}, description="Request headers whose value is secret: header → name of the Secret block."
    )
    basic_auth: BlockName | None = Field(
        None, description="The Secret block with `user:password` for basic auth."
    )
    address: WebAddress | None = Field(None, description="Another address than the environment's.")


class TcpCheck(_NetworkCheck):
    """A TCP connection that must be accepted."""

    tcp: SocketAddress = Field(description='Where to connect: "host:port".')


class CommandCheck(_Check):
    """A command that must end with status 0."""

    command: Argv = Field(
        description="The command, as a list of words. Filled in: "
        + ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        + "."
    )
    place: ServiceName = Field(
        "controller",
        alias="in",
        description="Where it runs: `controller` (in a checkout of the release's commit on the control "
        "machine), or the compose service that has it.",
    )
    timeout: Duration = Field(300.0, gt=0, description="How long one try may take.")
    within: Duration = Field(0.0, description="How long a failing check is tried again; 0s: it has one try.")

    @property
    def service(self) -> str | None:
        """The compose service it runs in; None for the control machine."""
        return None if self.place == "controller" else self.place

    def filled(self, **values: str) -> tuple[str, ...]:
        """Fill the placeholders in.

        Args:
            **values: Placeholder → text; names of `PLACEHOLDERS`.

        Returns:
            The command's words. Other braces stay as they are.
        """
        # One pass: a value that contains braces must not be filled again.
        return tuple(
            _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), word) for word in self.command
        )

    @model_validator(mode="after")
    def known_placeholders(self) -> Self:
        """Refuse `{adress}`; braces that resemble no placeholder are the command's own."""
        for word in self.command:
            for name in _misspelt(word):
                raise ConflictError(
                    "command", f'unknown placeholder "{{{name}}}"{nearest(name, PLACEHOLDERS)}'
                )
        return self


def kind_of(value: object) -> str | None:
    """Tell which check a mapping is, by its key."""
    if isinstance(value, _Check):
        return type(value).__name__
    keys = value if isinstance(value, dict) else {}
    return next((kind for key, kind in KINDS.items() if key in keys), None)


def _misspelt(word: str) -> list[str]:
    unknown = [name for name in _PLACEHOLDER.findall(word) if name not in PLACEHOLDERS]
    return [name for name in unknown if difflib.get_close_matches(name, PLACEHOLDERS, cutoff=0.75)]


KINDS = {"http": "HttpCheck", "tcp": "TcpCheck", "command": "CommandCheck"}
Check = HttpCheck | TcpCheck | CommandCheck
Smoke = Annotated[
    Annotated[HttpCheck, Tag("HttpCheck")]
    | Annotated[TcpCheck, Tag("TcpCheck")]
    | Annotated[CommandCheck, Tag("CommandCheck")],
    Discriminator(
        kind_of,
        custom_error_type="smoke_kind",
        custom_error_message="expected a check with one of the keys http, tcp or command",
    ),
]
