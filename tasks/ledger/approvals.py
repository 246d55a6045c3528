"""The approvals: every answer, counted or not; a one-time code counts once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import exists, insert, select

from tasks.ledger.errors import CodeUsed, Conflict
from tasks.ledger.models import ApprovalRow
from tasks.ledger.records import ApprovalRecord, Decision

if TYPE_CHECKING:
    from datetime import datetime

    from tasks.ledger.database import Database


class ApprovalRows:
    """The answers people gave to plans, and to requests to relax a rule.

    Args:
        database: The ledger's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

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
        """Record an answer.

        Args:
            promotion_id: The promotion it answers, None for a request to relax a rule.
            relaxation_id: That request, None for a promotion.
            plan_hash: The plan it answers, or the request's hash.
            counted: True when the identity was verified and the policy lets this person decide.
            refusal: Why it does not count, empty when it does.
            reason: What the person gave as a reason.
            code_step: The time step of the valid one-time code, None without a valid one.
            now: The present time, UTC.

        Returns:
            The answer as recorded.

        Raises:
            CodeUsed: The approver's code of this time step was used before; nothing was recorded.
        """
        values = {
            "promotion_id": promotion_id,
            "relaxation_id": relaxation_id,
            "plan_hash": plan_hash,
            "approver": approver,
            "decision": decision,
            "counted": counted,
            "refusal": refusal,
            "reason": reason,
            "code_step": code_step,
            "created_at": now,
        }
        try:
            with self._database.writing() as connection:
                row = connection.execute(insert(ApprovalRow).values(values).returning(ApprovalRow)).one()
                return ApprovalRecord.of(row)
        except Conflict:
            if code_step is None or not self._used(approver, code_step):
                raise
            raise CodeUsed(
                f"the one-time code of {approver} was used before",
                "wait for the next code, then answer again",
            ) from None

    def _used(self, approver: str, code_step: int) -> bool:
        query = select(exists().where(ApprovalRow.approver == approver, ApprovalRow.code_step == code_step))
        with self._database.reading() as connection:
            return bool(connection.scalar(query))

    def of(self, promotion_id: int, plan_hash: str | None = None) -> list[ApprovalRecord]:
        """Return a promotion's answers, oldest first; only those to one plan where its hash is given."""
        query = select(ApprovalRow).where(ApprovalRow.promotion_id == promotion_id).order_by(ApprovalRow.id)
        if plan_hash is not None:
            query = query.where(ApprovalRow.plan_hash == plan_hash)
        with self._database.reading() as connection:
            return [ApprovalRecord.of(row) for row in connection.execute(query)]

    def of_relaxation(self, relaxation_id: int) -> list[ApprovalRecord]:
        """Return the answers to a request to relax a rule, oldest first."""
        query = select(ApprovalRow).where(ApprovalRow.relaxation_id == relaxation_id).order_by(ApprovalRow.id)
        with self._database.reading() as connection:
            return [ApprovalRecord.of(row) for row in connection.execute(query)]
