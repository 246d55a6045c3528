"""Which kinds of targets there are: the type of the block that an environment names under `hosts` decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.targets.compose.target import ComposeTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tasks.host.app_host import AppHost
    from tasks.targets.target.protocol import Target

COMPOSE = "compose-host"
# By the slug of the block's type: an offline rollback has no Prefect to import the block with. What makes a target is
# given the application on its host, and the Docker configuration that logs in to the registry.
TARGETS: Mapping[str, Callable[[AppHost, str], Target]] = {COMPOSE: ComposeTarget}
