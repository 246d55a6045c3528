"""The whole examination, in the order in which one thing needs another."""

from __future__ import annotations

from blocks.settings import Settings
from deployments.control_plane.connect import use_prefect
from deployments.doctor.findings import Finding, run_checks
from tasks.kernel.errors import SluiceError


def examine(settings: Settings, source: str, environment: str | None) -> list[Finding]:
    """Look at everything a promotion will need; nothing is changed, but a small file is written among copies of dumps.

    Without a Prefect server the blocks cannot be read, and only this machine is looked at.
    """
    try:
        # Before anything that imports Prefect, which would otherwise make a server of its own.
        api = use_prefect(settings)
    except SluiceError:
        api = None
    from deployments.doctor.access import access_checks
    from deployments.doctor.control import control_checks

    found = run_checks([*control_checks(settings), *(access_checks(settings) if api is not None else ())])
    if api is None:
        return found
    from deployments.doctor.application import application_checks, read_application
    from deployments.doctor.backups import backup_checks
    from deployments.doctor.drift import drift_checks
    from deployments.doctor.hosts import host_checks
    from tasks.adapters.pool import close_all

    application, read = read_application(settings, source, environment)
    found += read
    if application is None:
        return found
    checks = [
        *application_checks(application, api),
        *host_checks(application),
        *backup_checks(settings, application),
        *drift_checks(settings, application),
    ]
    try:
        return [*found, *run_checks(checks)]
    finally:
        close_all()
