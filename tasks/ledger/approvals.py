"""The approvals: every answer, counted or not; a one-time code counts once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.ledger.errors import CodeUsed, Conflict
from tasks.ledger.models import APPROVALS
from tasks.ledger.records import ApprovalRecord, Decision
from tasks.ledger.rows import Rows

if TYPE_CHECKING:
    from datetime import datetime

_ROW = APPROVALS.c


class ApprovalRows(Rows[ApprovalRecord]):
    """The answers people gave to plans, and to requests to relax a rule."""

    table = APPROVALS
    kind = ApprovalRecord

    def add(
        self,
        *,
        promotion_id: int | None = None,
        relaxation_id: int | None = None,
        plan_hash: str,
        approver: str,
        decision: Decision,
        counted: bool,
        refusal: str,
        reason: str,
        code_step: int | None,
        now: datetime,
    ) -> ApprovalRecord:
        """Record an answer to a promotion's plan, or to a request to relax a rule.

        Args:
            plan_hash: The plan's hash, or the request's.
            counted: True when the identity was verified and the policy lets this person decide.
            code_step: The time step of the valid one-time code, None without a valid one.

        Raises:
            CodeUsed: The approver's code of this time step was used before; nothing was recorded.
        """
        try:
            return self._add(
                promotion_id=promotion_id,
                relaxation_id=relaxation_id,
                plan_hash=plan_hash,
                approver=approver,
                decision=decision,
                counted=counted,
                refusal=refusal,
                reason=reason,
                code_step=code_step,
                created_at=now,
            )
        except Conflict:
            if code_step is None or not self._all(_ROW.approver == approver, _ROW.code_step == code_step):
                raise
            raise CodeUsed(
                f"the one-time code of {approver} was used before",
                "wait for the next code, then answer again",
            ) from None

    def of(self, promotion_id: int, plan_hash: str | None = None) -> list[ApprovalRecord]:
        """Return a promotion's answers, oldest first; only those to one plan where its hash is given."""
        plan = [] if plan_hash is None else [_ROW.plan_hash == plan_hash]
        return self._all(_ROW.promotion_id == promotion_id, *plan)

    def of_relaxation(self, relaxation_id: int) -> list[ApprovalRecord]:
        """Return the answers to a request to relax a rule, oldest first."""
        return self._all(_ROW.relaxation_id == relaxation_id)
