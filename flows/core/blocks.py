"""Blocks as a run would load them: the UI saves what is typed, so only loading shows whether it is valid."""

from __future__ import annotations

from typing import TypeVar, cast

from prefect.blocks.core import Block
from pydantic import ValidationError

from tasks.kernel.errors import TerminalError

B = TypeVar("B", bound=Block)


class MissingBlockError(TerminalError):
    """There is no block of that name."""


class InvalidBlockError(TerminalError):
    """What was typed into a block is not valid."""


def read_block(kind: type[B], name: str) -> B:
    """Load a block.

    Args:
        kind: The block's class.
        name: The block's name.

    Returns:
        The block.

    Raises:
        MissingBlockError: There is none of that name.
        InvalidBlockError: What was typed into it is not valid.
    """
    slug = kind.get_block_type_slug()
    try:
        return cast("B", kind.load(name))
    except RuntimeError as error:
        if not isinstance(error.__cause__, ValidationError):
            raise
        raise InvalidBlockError(
            f"block {slug}/{name} is not valid: {_problems(error.__cause__)}",
            "correct it in the Prefect UI under Blocks",
        ) from None
    except ValueError:
        raise MissingBlockError(
            f"there is no block {slug}/{name}",
            f"create it in the Prefect UI under Blocks ({slug}), or correct the name in pipeline.yaml",
        ) from None


def _problems(error: ValidationError) -> str:
    """Say what is wrong with which field, without what was typed: it may be a secret."""
    return "; ".join(
        f"{'.'.join(map(str, one['loc'])) or 'the whole'}: {one['msg'].removeprefix('Value error, ')}"
        for one in error.errors(include_input=False, include_url=False)
    )
