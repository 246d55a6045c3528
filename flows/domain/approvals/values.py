"""The values of approvals: the policy, the answer, the person, the verdict."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, Protocol

from pydantic import Field, SecretStr

from blocks.pipeline.sections import Approvals
from blocks.values.base import Value

Decision = Literal["approve", "reject"]

APPROVE: Decision = "approve"
REJECT: Decision = "reject"


class Refusal(StrEnum):
    """Why an answer does not count. The texts are kept in the ledger and hold nothing from outside."""

    NONE = ""
    TOO_LONG = "the answer is too long"
    NO_PLAN = (
        "it does not say which plan it answers, and its code is used up: read the one that is shown now, then answer "
        "with your next code"
    )
    OTHER_PLAN = (
        "it answers another plan than the one that is shown now, and its code is used up: read this one, then answer "
        "with your next code"
    )
    NO_DECISION = "the decision is neither approve nor reject"
    UNKNOWN_PERSON = "no approver of that name is enrolled"
    NOT_LISTED = "that person is not among this environment's approvers"
    INACTIVE = "that approver is not active any more"
    CLOSED = "that approver is closed for this plan after five wrong codes"
    NO_CODE = "the one-time code must be six digits"
    NO_REASON = "a rejection needs a reason"
    NOT_TICKED = "not every item of the checklist is ticked"
    IS_AUTHOR = "who wrote a commit that comes in may not approve it, also one that the plan does not list"
    IS_REQUESTER = "who asked for the promotion may not approve it"
    AUTHOR_UNKNOWN = "the commits' authors are not known, so nobody can be told apart from them"
    REQUESTER_UNKNOWN = "it is not known who asked for the promotion: start it again with a requester"
    REPEATED = "that person has answered for this plan already"
    NO_SECRET = "that approver's one-time-code secret cannot be used: enrol again"  # noqa: S105 - a message
    WRONG_CODE = "the one-time code is wrong"
    USED_CODE = "the one-time code was used already: wait for the next one"
    NO_REVIEWS = "reviews approve nothing here: use a one-time code"
    NO_REVIEW = (
        "no review of that number, given since the promotion was started, names this plan, on the last commit of the "
        "pull request and by an approver"
    )
    OLD_REVIEW = "the review is older than the approvals may be"
    NOT_READ = "GitHub could not be asked for the reviews"


# Answers that were given to something else than what is asked about.
ASIDE = frozenset({Refusal.NO_PLAN, Refusal.OTHER_PLAN})


class ApprovalPolicy(Value):
    """Who has to say yes.

    Attributes:
        expires_after: How long people have, and how long a yes counts.
        reviews: True when a review on GitHub that names the plan counts.
    """

    required: int = Field(default=0, ge=0)
    approvers: tuple[str, ...] = ()
    exclude_author: bool = True
    exclude_requester: bool = True
    expires_after: timedelta = timedelta(hours=24)
    reviews: bool = False


class ApprovalQuestion(Value):
    """What people are asked, and who had a hand in it.

    Attributes:
        authors: E-mails, logins and names of the authors of the plan's commits.
        requester: Who asked for it; empty where it is not known.
    """

    policy: ApprovalPolicy
    plan_hash: str
    authors: frozenset[str] = frozenset()
    requester: str = ""


def policy_of(approvals: Approvals | None, at_least: int = 0) -> ApprovalPolicy:
    """Return what a pipeline's approval section asks for.

    Args:
        at_least: How many people have to say yes in any case: a plan may ask for more than its environment.

    Returns:
        The policy; without a section nobody has to say yes.
    """
    if approvals is None:
        return ApprovalPolicy()
    return ApprovalPolicy(
        required=max(approvals.required, at_least),
        approvers=approvals.approvers,
        exclude_author=approvals.not_author,
        exclude_requester=approvals.not_requester,
        expires_after=timedelta(seconds=approvals.expires),
        reviews=approvals.reviews,
    )


class Answer(Value):
    """What somebody typed into the form. Untrusted text in every field.

    Attributes:
        unticked: The items of the checklist that were not ticked.
        plan_hash: The hash of what was read; empty where the answer does not say.
    """

    approver: str
    decision: str
    code: SecretStr
    reason: str = ""
    unticked: tuple[str, ...] = ()
    plan_hash: str = ""


class ApproverFacts(Value):
    """One enrolled person.

    Attributes:
        totp_secret: The base32 secret of their one-time codes.
        identities: Their git e-mails, logins and names.
        github_login: The login whose reviews are theirs; empty for none.
    """

    name: str
    totp_secret: SecretStr
    identities: tuple[str, ...] = ()
    active: bool = True
    github_login: str = ""


class ApprovalRecordLike(Protocol):
    """One judged answer as the ledger keeps it."""

    @property
    def plan_hash(self) -> str:
        """The plan that was answered."""
        ...

    @property
    def approver(self) -> str:
        """The verdict's approver."""
        ...

    @property
    def decision(self) -> str:
        """The verdict's decision."""
        ...

    @property
    def counted(self) -> bool:
        """Whether it counted."""
        ...

    @property
    def refusal(self) -> str:
        """The verdict's refusal."""
        ...

    @property
    def created_at(self) -> datetime:
        """When it was given, aware."""
        ...

    @property
    def reason(self) -> str:
        """The verdict's reason."""
        ...

    @property
    def code_step(self) -> int | None:
        """The time step of the one-time code."""
        ...


class AnswerVerdict(Value):
    """What the judge says; all of it is safe to store and to show.

    Attributes:
        approver: The approver's name as enrolled; where nobody of that name is, what was typed, on one line.
        decision: What was decided; what nobody can read is taken as a no, and does not count.
        refusal: Why it does not count, a `Refusal` text; empty where it counts.
        code_step: The time step of the code that was used up, None where none was.
    """

    counted: bool
    plan_hash: str
    approver: str
    decision: Decision
    refusal: str
    code_step: int | None = None
    reason: str = ""


class QuorumState(Value):
    """How far the approvals for one plan are.

    Attributes:
        approved: True when enough people said yes and nobody said no.
        have: How many distinct people said yes.
        missing: Who may still answer.
    """

    approved: bool
    rejected: bool
    have: int
    need: int
    by: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    rejected_by: tuple[str, ...] = ()
