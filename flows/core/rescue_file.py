"""Prepares for the day on which neither Prefect's server nor the ledger answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.compose_host import ComposeHost
from blocks.pipeline import HttpCheck
from blocks.rescue import Rescue, RescueHost
from blocks.settings import Settings
from tasks.kernel.blocks import read_block
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import SluiceError
from tasks.services.rescue import write_rescue
from tasks.steps.step import log

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from blocks.pipeline import Policy
    from tasks.steps.run import Run


def keep_rescue(run: Run) -> Path:
    """Put down on this machine how the environment is reached, for `sluice rollback --offline`."""
    return _write(run.policy, run, run.directories)


def refresh_rescue(policy: Policy, looks: Mapping[str, Run]) -> None:
    """Put the same down for an environment that was looked at, so that a changed block is known at once.

    Left alone where a host does not answer: what was put down last may still lead there.

    Args:
        looks: Host → a look at it, for those that answer.
    """
    if not set(policy.hosts) <= set(looks):
        return
    directories = {name: looks[name].directories[name] for name in policy.hosts}
    try:
        _write(policy, looks[policy.hosts[0]], directories)
    except (SluiceError, OSError) as error:
        log().warning(
            "the rescue file of %s for a rollback without the ledger could not be written: %s",
            policy.name,
            error,
        )


def _write(policy: Policy, run: Run, directories: Mapping[str, str]) -> Path:
    rescue = Rescue(
        pipeline=policy.pipeline,
        environment=policy.name,
        written_at=utc_now(),
        hosts=tuple(_host(name, directories[name]) for name in policy.hosts),
        policy=policy,
        migrates=run.description.migration is not None,
        secrets={name: run.secret(name) for name in secret_blocks(policy)},
    )
    return write_rescue(Settings().home, rescue)


def secret_blocks(policy: Policy) -> tuple[str, ...]:
    """Return the Secret blocks an environment's smoke checks need, sorted."""
    found: set[str] = set()
    for check in policy.smoke:
        if isinstance(check, HttpCheck):
            found.update(check.header_secrets.values(), [check.basic_auth] if check.basic_auth else [])
    return tuple(sorted(found))


def _host(name: str, app_directory: str) -> RescueHost:
    block = read_block(ComposeHost, name)
    return RescueHost(
        name=name,
        address=block.address,
        port=block.port,
        user=block.user,
        key=block.private_key.get_secret_value(),
        key_passphrase=block.plain_passphrase,
        host_key=block.host_key,
        directory=block.directory,
        connect_timeout_seconds=block.connect_timeout_seconds,
        app_directory=app_directory,
    )
