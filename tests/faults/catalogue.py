"""Which faults there are, for the steps that promotions and rollbacks have today."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from tests.faults import injection as act
from tests.faults.setting import Setting
from tests.faults.trial import Acts, Fault, Play

PROMOTE, ROLLBACK = "promote", "rollback"
UNDISTURBED = {flow: Fault(flow, "nothing", "no step", act.nothing) for flow in (PROMOTE, ROLLBACK)}


def catalogue(promotion: Sequence[str], back: Sequence[str]) -> tuple[Fault, ...]:
    """Return every fault.

    Args:
        promotion: The steps of an undisturbed promotion, in their order.
        back: Those of an undisturbed rollback.
    """
    return (
        *_promotion_faults(),
        Fault(ROLLBACK, "SSH session cut", "up", act.amid(act.up_is_replacing, act.cut_session)),
        Fault(ROLLBACK, "network cut", "up", act.amid(act.up_is_replacing, act.cut_network)),
        Fault(ROLLBACK, "engine killed", "up", act.amid(act.up_is_replacing, act.kill_engine)),
        *(Fault(PROMOTE, "SIGKILL", step, act.kill_in(step)) for step in promotion),
        Fault(PROMOTE, "SIGKILL", "restore", act.kill_in("restore"), _ill, ends_on="restored"),
        *(Fault(ROLLBACK, "SIGKILL", step, act.kill_in(step)) for step in back),
        *_clocks(),
    )


def _promotion_faults() -> tuple[Fault, ...]:
    amid_up = act.up_is_replacing
    return (
        Fault(PROMOTE, "SSH session cut", "backup", act.in_mid_dump(act.cut_session)),
        Fault(PROMOTE, "SSH session cut", "migrate", act.in_mid_migration(act.cut_session)),
        Fault(PROMOTE, "SSH session cut", "up", act.amid(amid_up, act.cut_session)),
        Fault(PROMOTE, "network cut", "backup", act.in_mid_dump(act.cut_network)),
        Fault(PROMOTE, "network cut", "migrate", act.in_mid_migration(act.cut_network)),
        Fault(PROMOTE, "network cut", "up", act.amid(amid_up, act.cut_network)),
        Fault(PROMOTE, "engine killed", "backup", act.in_mid_dump(act.kill_engine)),
        Fault(PROMOTE, "engine killed", "migrate", act.in_mid_migration(act.kill_engine)),
        Fault(PROMOTE, "engine killed", "up", act.amid(amid_up, act.kill_engine)),
        Fault(PROMOTE, "host restarted", "backup", act.in_mid_dump(act.reboot)),
        Fault(PROMOTE, "host restarted", "migrate", act.in_mid_migration(act.reboot)),
        Fault(PROMOTE, "host restarted", "up", act.amid(amid_up, act.reboot)),
        Fault(PROMOTE, "disk filled", "backup", act.in_mid_dump(act.fill_disk, act.free_disk)),
        Fault(PROMOTE, "disk filled", "pull", act.while_held("pull", act.fill_disk, act.free_disk)),
        Fault(PROMOTE, "disk filled", "up", act.while_held("up", act.fill_disk, act.free_disk)),
        Fault(
            PROMOTE, "registry gone", "push", act.while_held("push", act.stop_registry, act.start_registry)
        ),
        Fault(
            PROMOTE, "registry gone", "pull", act.while_held("pull", act.stop_registry, act.start_registry)
        ),
        Fault(PROMOTE, "registry gone", "tag", act.while_held("tag", act.stop_registry, act.start_registry)),
        Fault(PROMOTE, "ledger gone", "backup", act.while_held("backup", act.stop_ledger, act.start_ledger)),
        Fault(PROMOTE, "ledger gone", "up", act.while_held("up", act.stop_ledger, act.start_ledger)),
        Fault(PROMOTE, "ledger away 10 s", "migrate", act.while_held("migrate", act.ledger_away)),
        Fault(PROMOTE, "Prefect restarted", "migrate", act.in_mid_migration(act.restart_prefect)),
        Fault(PROMOTE, "Prefect killed", "up", act.while_held("up", act.kill_prefect)),
        Fault(PROMOTE, "lease stolen", "backup", act.while_held("backup", act.steal_lease)),
        Fault(PROMOTE, "lease stolen", "up", act.while_held("up", act.steal_lease)),
        Fault(PROMOTE, "two at once", "build", _two_at_once),
    )


def _clocks() -> tuple[Fault, ...]:
    """They come last: a ledger with times of another day is not what the other faults meet."""
    return (
        Fault(PROMOTE, "clock -1 day", "migrate", act.clock_jumps("migrate", -act.DAY_SECONDS), fresh=True),
        Fault(PROMOTE, "clock +1 day", "migrate", act.clock_jumps("migrate", act.DAY_SECONDS), fresh=True),
    )


def chosen(faults: Sequence[Fault], patterns: Sequence[str]) -> tuple[Fault, ...]:
    """Return the faults whose title has one of some patterns of the shell in it; all where there is none."""
    return tuple(
        fault
        for fault in faults
        if not patterns or any(fnmatch(fault.title, f"*{pattern}*") for pattern in patterns)
    )


def names_steps(patterns: Sequence[str]) -> bool:
    """Say whether patterns may choose faults that depend on which steps the flows have."""
    fixed = catalogue((), ())
    return not patterns or any("SIGKILL" in one or not chosen(fixed, [one]) for one in patterns)


def _ill(setting: Setting) -> str:
    """Commit a release that is healthy for Docker, and whose smoke check fails."""

    def edit(work: Path) -> None:
        api, pipeline = work / "backend/shop/api.py", work / "pipeline.yaml"
        api.write_text(api.read_text().replace("        status=status,", '        status="fine",'))
        text = pipeline.read_text()
        pipeline.write_text(text.replace("json: {status: ok}}", "json: {status: ok}, within: 3s}"))

    return setting.next_release(edit=edit)


def _two_at_once(play: Play) -> Acts:
    """Start the same promotion twice; the second is the rival."""
    yield
    play.strike()
    act.start_rival(play)
    yield
