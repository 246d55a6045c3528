"""Whether a run still asks for what it was started for; what was asked for first is what counts."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Protocol

from blocks.values.asked import AskedFor, Parameter, RepositoryFacts
from blocks.values.base import Value
from blocks.values.lifecycle import ACTIVE, ENDED, Kind, Status
from flows.domain.words.text import one_line

# What a row of an earlier version of Sluice knows, by kind: parameter → column.
_COLUMNS: dict[Kind, dict[str, str]] = {
    Kind.PROMOTE: {"ref": "ref"},
    Kind.ROLLBACK: {"release": "ref", "reason": "cause"},
    Kind.REDEPLOY: {},
}
_COLUMNS_OF_ALL = {"environment": "environment", "requested_by": "requested_by"}
_LONGEST_VALUE = 80
_LONGEST_DATA = 800


class ChangedValue(Value):
    """One thing that is not what it was when the run was started first."""

    name: str
    first: Parameter
    now: Parameter

    @property
    def text(self) -> str:
        """The change, for people."""
        return f"`{one_line(self.name)}` was {_shown(self.first)} and is {_shown(self.now)} now"


class Row(Protocol):
    """What the ledger has of a promotion, as far as it matters here."""

    @property
    def kind(self) -> Kind:
        """What the promotion is for."""
        ...

    @property
    def asked(self) -> AskedFor | None:
        """All it was asked for; None where an earlier version of Sluice wrote the row."""
        ...


def changes_of(row: Row, kind: Kind, parameters: Mapping[str, Parameter]) -> tuple[ChangedValue, ...]:
    """Compare what a run asks for now with what its row says was asked for first.

    Returns:
        What differs. Of a row without `asked` only what its other columns know is compared.
    """
    if row.kind is not kind:
        return (ChangedValue(name="flow", first=row.kind.value, now=kind.value),)
    if row.asked is not None:
        return differences(row.asked.parameters, parameters)
    columns = _COLUMNS_OF_ALL | _COLUMNS[kind]
    known = {name: str(getattr(row, column)) for name, column in columns.items()}
    return differences(known, {name: parameters.get(name, "") for name in known})


def differences(first: Mapping[str, Parameter], now: Mapping[str, Parameter]) -> tuple[ChangedValue, ...]:
    """Compare two sets of parameters.

    Returns:
        What differs, by name. One that is missing on a side, as in another version of Sluice, is the same as empty.
    """
    return tuple(
        ChangedValue(name=name, first=first.get(name, ""), now=now.get(name, ""))
        for name in sorted({*first, *now})
        if not _same(first.get(name), now.get(name))
    )


def repository_changes(first: AskedFor | None, now: RepositoryFacts) -> tuple[ChangedValue, ...]:
    """Compare where a `git-repository` block leads with where it led when the run was started first."""
    return differences(first.repository.model_dump(), now.model_dump()) if first is not None else ()


def belongs(first: AskedFor | None, now: RepositoryFacts | None) -> bool:
    """Say whether a promotion is of a repository, so that what its pipeline says counts for it.

    Args:
        first: What it was asked for; None where nobody knows: then its pipeline's name has to do.
        now: Where the looking run's `git-repository` block leads; None for whoever looks without one.
    """
    if first is None or now is None:
        return True
    before = first.repository
    return (before.url, before.default_branch, before.pipeline_path) == (
        now.url,
        now.default_branch,
        now.pipeline_path,
    )


def _same(first: Parameter | None, now: Parameter | None) -> bool:
    # False is equal to 0, and neither is what was asked for with the other.
    if not first and not now:
        return True
    return type(first) is type(now) and first == now


def _shown(value: Parameter) -> str:
    if value == "" and isinstance(value, str):
        return "empty"
    return one_line(value, _LONGEST_VALUE) if isinstance(value, str) else str(value).lower()


def changed_text(changes: tuple[ChangedValue, ...], what: str) -> str:
    """Return what a person is told of changes, in one line.

    Args:
        what: What was changed, with its verb.
    """
    said = "; ".join(change.text for change in changes)
    return f"{what} changed after its first start, and nothing of that was used: {said}"


def what_to_do(
    status: Status, run: str, environment: str, parameters: Mapping[str, Parameter] | None = None
) -> str:
    """Say what to do about a run that asks for something else than it was started for.

    Args:
        parameters: All that were asked for first, where a parameter was changed; None where something else was, or
            nobody knows all of them.
    """
    if status not in ACTIVE:
        ended = "its promotion had ended and stays as it is; " if status in ENDED else ""
        return f"{ended}start a new run with what you want"
    back = "put that back as it was"
    data = shlex.quote(json.dumps({"parameters": dict(parameters)})) if parameters is not None else ""
    # A command that was cut would do harm.
    if 0 < len(data) <= _LONGEST_DATA:
        back = f"{back} (`prefect api PATCH /flow_runs/{run} --data {data}`)"
    return (
        f"it was interrupted in the middle of the change, so its promotion stays open: {back} and `prefect "
        "flow-run retry "
        f"{run}`, or go back with `prefect deployment run rollback/{environment}`"
    )
