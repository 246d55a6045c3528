"""Blocks as a run would load them: the UI saves what is typed, so only loading shows whether it is valid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from prefect.blocks.core import Block
from prefect.exceptions import ObjectNotFound
from pydantic import ValidationError

from tasks.kernel.errors import TerminalError

if TYPE_CHECKING:
    from collections.abc import Mapping

B = TypeVar("B", bound=Block)


class BlockError(TerminalError):
    """A block is missing, or what was typed into it is not valid."""


class MissingBlockError(BlockError):
    """There is no block of that name."""


def read_block(kind: type[B], name: str) -> B:
    """Load a block.

    Raises:
        MissingBlockError: There is none of that name.
        BlockError: What was typed into it is not valid.
    """
    try:
        return cast("B", kind.load(name))
    except (RuntimeError, ValueError) as error:
        if isinstance(error.__cause__, ObjectNotFound):
            raise _missing(kind, name) from None
        if isinstance(error.__cause__, ValidationError):
            raise _invalid(kind, name, error.__cause__) from None
        raise


def parse_block(kind: type[B], name: str, document: Mapping[str, Any] | None) -> B:
    """Make a block of its document as Prefect's API gives it, None where there is none.

    Raises:
        MissingBlockError: There is none of that name.
        BlockError: What was typed into it is not valid.
    """
    if document is None:
        raise _missing(kind, name)
    try:
        return kind(**document["data"])
    except ValidationError as error:
        raise _invalid(kind, name, error) from None


def _missing(kind: type[Block], name: str) -> MissingBlockError:
    slug = kind.get_block_type_slug()
    return MissingBlockError(
        f"there is no block {slug}/{name}",
        f"create it in the Prefect UI under Blocks ({slug}), or correct the name in pipeline.yaml",
    )


def _invalid(kind: type[Block], name: str, error: ValidationError) -> BlockError:
    """Say what is wrong with which field, without what was typed: it may be a secret."""
    problems = "; ".join(
        f"{'.'.join(map(str, one['loc'])) or 'the whole'}: {one['msg'].removeprefix('Value error, ')}"
        for one in error.errors(include_input=False, include_url=False)
    )
    return BlockError(
        f"block {kind.get_block_type_slug()}/{name} is not valid: {problems}",
        "correct it in the Prefect UI under Blocks",
    )
