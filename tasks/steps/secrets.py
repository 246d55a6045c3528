"""Values of Prefect's own Secret blocks."""

from __future__ import annotations

import json

from prefect.blocks.system import Secret

from tasks.kernel.errors import TerminalError
from tasks.kernel.redact import process_redactor


def read_secret(block: str) -> str:
    """Read a secret; it is redacted from now on.

    Args:
        block: The Secret block's name.

    Returns:
        Its value.

    Raises:
        TerminalError: There is no such block.
    """
    try:
        kept = Secret.load(block).value.get_secret_value()  # type: ignore[union-attr]
    except ValueError:
        raise TerminalError(
            f"there is no block secret/{block}", "create it in the Prefect UI, or correct pipeline.yaml"
        ) from None
    # Not `get`, which reads what looks like JSON: a password of digits would become a number.
    value = kept if isinstance(kept, str) else json.dumps(kept)
    process_redactor().add(value)
    return value
