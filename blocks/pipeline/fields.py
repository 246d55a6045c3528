"""The kinds of text a pipeline holds, as types."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BeforeValidator, Field

from blocks.pipeline.checks import (
    branch_name,
    mount_source,
    plain_text,
    ref_pattern,
    relative_path,
    socket_address,
    web_address,
)
from blocks.pipeline.shapes import (
    distinct,
    number_to_text,
    one_or_many,
    program_first,
    refuse_shell,
    told_once,
)

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema


@dataclass(frozen=True)
class Matching:
    """Text that matches a pattern as a whole; `expected` says in words what is expected."""

    pattern: str
    expected: str

    def check(self, value: str) -> str:
        """Return the text when it matches; raise ValueError otherwise."""
        if not re.fullmatch(self.pattern, value):
            raise ValueError(f"expected {self.expected}")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        """Check after pydantic found text."""
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Tell editors the pattern."""
        return handler(schema) | {"pattern": f"^{self.pattern}$"}


class Listed:
    """Takes one entry without its list, and refuses one that is there twice."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        """Judge the entry or the list, then the list alone."""
        from pydantic_core import core_schema

        listed = handler(source)
        one = handler.generate_schema(get_args(source)[0])
        return core_schema.no_info_before_validator_function(
            one_or_many,
            core_schema.no_info_after_validator_function(distinct, listed),
            json_schema_input_schema=core_schema.union_schema([one, listed]),
        )


T = TypeVar("T")
Many = Annotated[tuple[T, ...], Listed()]

PipelineName = Annotated[
    str, Matching(r"[a-z][a-z0-9-]{0,39}", "lower-case letters, digits and dashes (40 at most)")
]
BlockName = Annotated[
    str, Matching(r"[a-z0-9][a-z0-9-]{0,99}", "a block's name: lower-case letters, digits, dashes")
]
ServiceName = Annotated[str, Matching(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", "the name of a compose service")]
ProfileName = Annotated[str, Matching(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", "the name of a compose profile")]
DatabaseName = Annotated[str, Matching(r"[A-Za-z0-9_][A-Za-z0-9_.$-]{0,62}", "a PostgreSQL name")]
Platform = Annotated[str, Matching(r"[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?", "a platform such as linux/amd64")]
ArgumentName = Annotated[str, Matching(r"[A-Za-z_][A-Za-z0-9_]{0,99}", "the name of a build argument")]
SecretId = Annotated[str, Matching(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", "the id of a build secret")]
HeaderName = Annotated[str, Matching(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", "the name of an HTTP header")]
HttpPath = Annotated[str, Matching(r"/[\x21-\x7e]*", "a path that begins with /")]
KeptReleases = Annotated[int, Field(ge=2, le=100)]
RelativePath = Annotated[str, AfterValidator(relative_path)]
MountSource = Annotated[str, AfterValidator(mount_source)]
WebAddress = Annotated[str, AfterValidator(web_address)]
SocketAddress = Annotated[str, AfterValidator(socket_address)]
BranchName = Annotated[str, AfterValidator(branch_name)]
RefPattern = Annotated[str, AfterValidator(ref_pattern)]
Text = Annotated[
    str, BeforeValidator(number_to_text, json_schema_input_type=str | int), AfterValidator(plain_text)
]
Argv = Annotated[
    tuple[Text, ...], Field(min_length=1), AfterValidator(program_first), BeforeValidator(refuse_shell)
]

Paths = Many[RelativePath]
Profiles = Many[ProfileName]
BlockNames = Many[BlockName]
RefPatterns = Many[RefPattern]
# What becomes of what an application wrote into the folder of its release: it goes with it, or it stays behind.
DataRole = Literal["carry", "release"]
DataRoles = Annotated[dict[MountSource, DataRole], BeforeValidator(told_once)]


def flag(description: str) -> Any:  # noqa: ANN401 - as pydantic's own `Field`
    """Return a key that is false unless it is given."""
    return Field(default=False, description=description)
