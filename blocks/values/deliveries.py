"""Deliveries of GitHub's webhooks, and the flow runs they start."""

from __future__ import annotations

from enum import StrEnum

from blocks.values.base import Value
from blocks.values.lifecycle import Kind

# What a delivery is called that no webhook brought: Sluice found by itself what GitHub failed to deliver.
MISSED = "missed"


class DeliveryStatus(StrEnum):
    """Where a delivery stands."""

    RECEIVED = "received"  # stored; nobody has decided yet what it starts
    ACCEPTED = "accepted"  # decided; its runs are not all created yet
    STARTED = "started"  # every run it asks for was created
    FOLDED = "folded"  # a newer push took its place, or another delivery started the same commit
    IGNORED = "ignored"  # it starts nothing
    FAILED = "failed"  # what it asks for cannot be started; the reason says why


class StartStatus(StrEnum):
    """Where one start of a delivery stands."""

    PENDING = "pending"  # not created yet
    STARTED = "started"  # Prefect has the run
    FOLDED = "folded"  # a newer push took its place, or another delivery started the same commit
    FAILED = "failed"  # Prefect refused it


class Errand(StrEnum):
    """What a run does that is no promotion."""

    TEND = "tend"  # pull requests are opened, and let merge
    LOOK = "look"  # an environment is looked at: who waits there hears of reviews


# Where errands go: the name of their deployment, in an environment's place.
PULL_REQUESTS = "pull-requests"

DELIVERY_ENDED = frozenset(DeliveryStatus) - {DeliveryStatus.RECEIVED, DeliveryStatus.ACCEPTED}


class DeliveryFacts(Value):
    """What GitHub told with a delivery, as far as it decides something.

    Attributes:
        delivery: GitHub's id of it (`X-GitHub-Delivery`).
        event: The event's name (`X-GitHub-Event`).
        action: What happened, such as `opened`; empty for events without actions.
        repository: `owner/name`, as it is configured.
        ref: The branch or tag it is about, as `refs/…`; empty where there is none.
        digest: Sha256 over the body, hex.
        facts: What the decision needs of the payload, as JSON text.
    """

    delivery: str
    event: str
    action: str = ""
    repository: str
    ref: str = ""
    sha: str = ""
    number: int | None = None
    sender: str = ""
    digest: str
    facts: str = "{}"


class Arrived(DeliveryFacts):
    """A delivery as it is stored; `refusal` says why it starts nothing, where that is known already."""

    refusal: str = ""


class StartFacts(Value):
    """Which flow run a delivery asks for.

    Attributes:
        environment: Of an errand what it is about.
        ref: The branch, tag, commit or release the run is given; empty for the flow's own default.
        branch: The branch whose newest push counts; empty for tags and comments.
        sha: The commit, empty where the flow finds it.
        by_commit: True where a second event of the same commit starts nothing more.
    """

    environment: str
    kind: Kind | Errand
    ref: str = ""
    branch: str = ""
    sha: str = ""
    by_commit: bool = True
    requested_by: str = ""


class Start(StartFacts):
    """One flow run that a delivery asks for; `reason` is a rollback's."""

    reason: str = ""

    @property
    def deployment(self) -> str:
        """The deployment, `flow/name`."""
        return "reconcile/all" if self.kind is Errand.LOOK else f"{self.kind.value}/{self.environment}"

    def parameters(self, source: str) -> dict[str, str]:
        """Return the flow's parameters; `source` is the application's `git-repository` block."""
        if self.kind is Errand.TEND:
            return {"branch": self.branch, "source": source, "requested_by": self.requested_by}
        if self.kind is Errand.LOOK:
            return {"environment": self.environment, "source": source}
        common = {"environment": self.environment, "source": source, "requested_by": self.requested_by}
        if self.kind is Kind.ROLLBACK:
            return {**common, "release": self.ref, "reason": self.reason}
        return {**common, "ref": self.ref}
