"""`python -m deployments.webhook`: the receiver in this process; `sluice up` starts it."""

from __future__ import annotations

import logging
import os
import sys

from blocks.settings import Settings
from deployments.control_plane.login import CLIENT, keep_out_of_logs
from deployments.webhook.service import serve
from tasks.kernel.errors import SluiceError


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
    keep_out_of_logs(os.environ.get(CLIENT, ""))
    try:
        serve(Settings())
    except SluiceError as error:
        sys.stderr.write(f"sluice: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
