"""What is shown on GitHub of an environment's promotions."""

from __future__ import annotations

from pydantic import Field

from blocks.pipeline.fields import RelativePath, flag
from blocks.values.base import Value


class Show(Value):
    """What is shown on GitHub. Each needs its permission, so nothing is shown unless it is asked for."""

    deployments: bool = flag("Each promotion is a deployment of the environment on GitHub.")
    status: bool = flag("The commit gets the status sluice/<environment>: pending, success, failure.")
    comment: bool = flag(
        "Each pull request that comes in or goes out gets one comment that says where its change runs."
    )
    release: bool = flag(
        "Only the last environment: a version tag that runs there becomes a release on GitHub."
    )
    changelog: RelativePath | None = Field(
        None,
        description="Only the last environment: the changelog that gets an entry for the version, by pull request. "
        "None: there is none.",
    )

    @property
    def anything(self) -> bool:
        """True where something is shown."""
        return self != Show()

    @property
    def permissions(self) -> tuple[str, ...]:
        """What the login on GitHub needs for it, sorted."""
        version = self.release or self.changelog is not None
        needed = {
            "Commit statuses: write": self.status,
            "Contents: read": self.comment and not version,
            "Contents: write": version,
            "Deployments: write": self.deployments,
            "Pull requests: read": self.release and not (self.comment or self.changelog),
            "Pull requests: write": self.comment or self.changelog is not None,
        }
        return tuple(name for name, wanted in needed.items() if wanted)
