"""What a check found, and running many checks side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

from blocks.values.base import Value
from tasks.kernel.errors import SluiceError
from tasks.kernel.redact import process_redactor

Level = Literal["ok", "warn", "fail"]

_SIDE_BY_SIDE = 16


class Finding(Value):
    """One line of the doctor: what was found where, and what to do. `fail` stops a promotion, `warn` may."""

    level: Level
    where: str
    what: str
    mend: str = ""


class Check(NamedTuple):
    """Something to look at; an error that looking raises is a finding too."""

    where: str
    look: Callable[[], Iterable[Finding]]


def ok(where: str, what: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(level="ok", where=where, what=what)


def warn(where: str, what: str, mend: str) -> Finding:
    """Return a finding that may become a trouble."""
    return Finding(level="warn", where=where, what=what, mend=mend)


def fail(where: str, what: str, mend: str) -> Finding:
    """Return a finding that stops promotions."""
    return Finding(level="fail", where=where, what=what, mend=mend)


def failure(where: str, error: Exception) -> Finding:
    """Return the finding an error is; secrets are redacted."""
    clean = process_redactor().text
    if isinstance(error, SluiceError):
        return fail(where, clean(error.what), clean(error.todo))
    text = " ".join(str(error).split())[:300]
    return fail(where, clean(f"{type(error).__name__}: {text}"), "SLUICE_DEBUG=1 may show more")


def run_checks(checks: Sequence[Check]) -> list[Finding]:
    """Run checks side by side; their findings are in the order of the checks."""
    if not checks:
        return []
    with ThreadPoolExecutor(max_workers=min(_SIDE_BY_SIDE, len(checks))) as pool:
        return [finding for found in pool.map(_looked, checks) for finding in found]


def _looked(check: Check) -> list[Finding]:
    try:
        return list(check.look())
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what this check found
        return [failure(check.where, error)]
