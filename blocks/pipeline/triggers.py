"""The section `triggers` of an environment: which events on GitHub start a run there."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from blocks.pipeline.fields import Many, Matching, Text, flag
from blocks.pipeline.sections import ConflictError
from blocks.values.base import Value

TriggerEvent = Literal["push", "tag", "pull_request", "merge", "workflow_run", "check_suite", "release"]
Login = Annotated[str, Matching(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}(\[bot\])?", "a GitHub login, without the @")]

Events = Many[TriggerEvent]
Logins = Many[Login]
Names = Many[Text]

_CHECKERS = (("workflow_run", "workflows", "ci.yml"), ("check_suite", "apps", "circleci-checks"))


class Triggers(Value):
    """Which events on GitHub start a run in an environment. Only refs that may enter it can."""

    events: Events = Field(
        (), description="The events that start a promotion: push, tag, pull_request, merge, workflow_run, …"
    )
    workflows: Names = Field(
        (), description="The workflows, by name or file, whose green run on a push starts it."
    )
    apps: Names = Field(
        (), description="The GitHub Apps, by slug, whose green check suite starts it, for other CI systems."
    )
    prereleases: bool = flag(
        "Whether versions such as v1.4.0-rc.1, and releases marked as pre-release, start it too."
    )
    comments: Logins = Field(
        (), description="The logins whose comments /promote and /rollback start a run here."
    )
    bots: Logins = Field(
        (),
        description="Logins that are no people: what they push starts nothing. GitHub's own bots never do.",
    )

    @model_validator(mode="after")
    def names_fit(self) -> Self:
        """Check that checks are named where checks start something, and only there."""
        for event, key, example in _CHECKERS:
            named = bool(getattr(self, key))
            if event in self.events and not named:
                raise ConflictError(
                    "events", f"{event} needs {key}, or any green check would do — add {key}: {example}"
                )
            if named and event not in self.events:
                raise ConflictError(key, f"{key} count with {event} only — add it to events")
        return self
