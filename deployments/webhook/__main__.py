"""`python -m deployments.webhook`: the receiver in this process; `sluice up` starts it."""

from __future__ import annotations

import logging
import sys

from blocks.settings import Settings
from deployments.webhook.service import serve
from tasks.kernel.errors import SluiceError
from tasks.kernel.redact import install_log_redaction, process_redactor


def main() -> int:
    """Receive deliveries; return the exit status."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name in ("deployments.webhook", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    # The dispatcher computes beside the answers, which shall not wait five milliseconds for each of its turns.
    sys.setswitchinterval(0.001)
    install_log_redaction(process_redactor())
    try:
        serve(Settings())
    except SluiceError as error:
        sys.stderr.write(f"sluice: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
