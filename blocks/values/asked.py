"""What a flow run was started for, as it stood at its first start."""

from __future__ import annotations

from blocks.values.base import Value

Parameter = bool | int | str


class RepositoryFacts(Value):
    """Where an application's repository is and what decides in it; of its block all that is no credential."""

    url: str
    default_branch: str
    pipeline_path: str
    github: str = ""


class AskedFor(Value):
    """What a run was asked for, with every parameter of its flow, also those that were left out."""

    parameters: dict[str, Parameter]
    repository: RepositoryFacts

    @property
    def source(self) -> str:
        """The name of the `git-repository` block."""
        return str(self.parameters.get("source", ""))
