"""The gates an environment asks for beyond its refs, its proof and its approvals."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from blocks.pipeline.durations import Duration
from blocks.pipeline.fields import BranchName, Listed, Many, Matching, RefPatterns, Text, flag
from blocks.pipeline.moments import WeekMoment, parse_moment
from blocks.pipeline.sections import MINUTE, ConflictError
from blocks.pipeline.shapes import distinct
from blocks.values.base import Value

Skippable = Literal["proven", "soak", "freeze", "version", "reachable"]


def _moment(value: str) -> str:
    parse_moment(value)
    return value


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("expected a time zone such as Europe/Berlin") from None
    return value


Moment = Annotated[str, AfterValidator(_moment)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
CheckName = Annotated[Text, Matching(r"\S(?:.{0,253}\S)?", "the name of a check (255 characters at most)")]
ChecklistItem = Annotated[Text, Matching(r"\S(?:.{0,98}\S)?", "a line of text (100 characters at most)")]
CheckNames = Many[CheckName]


class Freeze(Value):
    """A time in which nothing new enters: of every week, or once."""

    # `from` is no name for a Python attribute.
    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    start: Moment = Field(
        alias="from", description="When it begins: fri 16:00 (every week) or 2026-12-23 18:00 (once)."
    )
    until: Moment = Field(
        description="When it ends, written the same way; the freeze is over at that moment."
    )
    reason: Text | None = Field(None, description="Why, for the people who meet it.")

    @model_validator(mode="after")
    def one_kind(self) -> Self:
        """Refuse a freeze that is half weekly, or that ends before it begins."""
        start, until = parse_moment(self.start), parse_moment(self.until)
        weekly = isinstance(start, WeekMoment)
        if weekly != isinstance(until, WeekMoment):
            raise ConflictError("until", "from and until are both of every week, or both dates — change one")
        if start == until or (not weekly and not start < until):  # type: ignore[operator]
            raise ConflictError("until", "the freeze ends before it begins — change one")
        return self


class Hotfix(Value):
    """The way in for urgent repairs: fewer gates, and more people who answer for it."""

    branches: RefPatterns = Field(
        ("hotfix/*",), min_length=1, description="Branches that count as hotfixes, as patterns."
    )
    skips: Annotated[tuple[Skippable, ...], AfterValidator(distinct)] = Field(
        (),
        description="The gates that are skipped, of proven, soak, freeze, version, reachable. All others "
        "are always asked.",
    )
    approvals: int = Field(
        2,
        ge=1,
        le=20,
        description="How many approvers must say yes, where it is more than approvals.required.",
    )


class Gates(Value):
    """What must hold before a release may enter, beside refs, proof and approvals."""

    checks: CheckNames = Field(
        (), description="Commit statuses and check runs that must be green on exactly this commit."
    )
    branch_checks: bool = flag("Also those that GitHub's own rules require on the branch.")
    reviews: int = Field(
        0,
        ge=0,
        le=20,
        description="How many approving reviews the pull request needs that brought the commit; 0: it is not asked.",
    )
    protection: bool = flag("GitHub must protect the branch: pull requests only, no rewriting, no deletion.")
    version: bool = flag("The tag must be a semantic version newer than the one that runs.")
    reachable_from: BranchName | None = Field(
        None, description="The branch whose history must contain the commit. None: it is not asked."
    )
    soak: Duration = Field(
        0.0, description="How long the release must have run in proven_in before; 0s: it is not asked."
    )
    freeze: tuple[Freeze, ...] = Field((), description="Times in which nothing new enters.")
    timezone: TimeZone = Field("UTC", description="The time zone freezes are written in.")
    checklist: Annotated[tuple[ChecklistItem, ...], Field(max_length=10), Listed()] = Field(
        (), description="What every approver must tick in the form, such as: alerts are on."
    )
    override_required: int = Field(
        2, ge=1, le=20, description="How many approvers must say yes where a freeze is overridden."
    )
    hotfix: Hotfix | None = Field(None, description="The way for urgent fixes. None: there is none.")
    wait: Duration = Field(
        30 * MINUTE,
        description="How long a promotion waits for a gate that may open later, such as a running check.",
    )
    every: Duration = Field(20.0, ge=5, description="How long it waits between two looks.")

    @property
    def asks_github(self) -> bool:
        """True where a gate can only be answered by GitHub."""
        return bool(self.checks) or self.branch_checks or self.reviews > 0 or self.protection
