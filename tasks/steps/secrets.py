"""Values of Prefect's own Secret blocks."""

from __future__ import annotations

import json

from prefect.blocks.system import Secret

from tasks.kernel.blocks import read_block
from tasks.kernel.redact import process_redactor


def read_secret(block: str) -> str:
    """Return the value of a Secret block; it is redacted from now on."""
    kept = read_block(Secret, block).value.get_secret_value()
    # Not `get`, which reads what looks like JSON: a password of digits would become a number.
    value = kept if isinstance(kept, str) else json.dumps(kept)
    process_redactor().add(value)
    return value
