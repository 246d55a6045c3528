"""What every promotion does around its own decisions: its row, its end, its errors in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from prefect import get_client, runtime
from prefect.client.schemas.objects import State
from prefect.states import Cancelled

from blocks.values.asked import AskedFor, Parameter
from blocks.values.lifecycle import ACTIVE, ENDED, Kind, Status
from flows.core.attempt import foreseen
from flows.core.outcome import failed_state, state_of
from flows.core.session import Session, open_session, repository_facts
from flows.domain.approvals.quorum import deadline
from flows.domain.approvals.values import policy_of
from flows.domain.promotion.recovery import up_started
from flows.domain.words.names import run_name
from flows.publication.show import show_aside, show_end
from flows.runs.first_start import (
    ChangedError,
    end_changed,
    flow_run_key,
    promotion_of,
    refuse_changed,
    refuse_elsewhere,
    refuse_renamed,
)
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import RefusedError, SluiceError
from tasks.kernel.redact import process_redactor
from tasks.ledger.connect import open_ledger
from tasks.steps.lease import take_lease
from tasks.steps.run import Run
from tasks.steps.step import log

if TYPE_CHECKING:
    from tasks.ledger.records import PromotionRecord
    from tasks.ledger.store import Ledger


@dataclass(frozen=True)
class Request:
    """What a flow was started with.

    Attributes:
        ref: The branch, tag, commit or release that was asked for.
        override: Why a migration that breaks the running release may come in nevertheless; empty without.
        freeze_override: Why it may enter in a freeze; empty without.
        parameters: Every parameter of the flow, by name, with the value it has.
    """

    kind: Kind
    environment: str
    ref: str
    source: str
    requested_by: str
    cause: str = ""
    override: str = ""
    freeze_override: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    def asked(self, session: Session) -> AskedFor:
        """Return what the ledger keeps of it."""
        return AskedFor(parameters=dict(self.parameters), repository=repository_facts(session.repository))


Body = Callable[[Session, Request, "PromotionRecord"], "PromotionRecord"]


def conduct(request: Request, body: Body) -> State[Any]:
    """Open the promotion's row, run the body, and turn its end into a Prefect state.

    Args:
        body: What the flow itself does; it returns the row as it ended.
    """
    try:
        with open_ledger() as ledger:
            return _conduct(ledger, request, body)
    except SluiceError as error:
        text = process_redactor().text(str(error))
        log().error("%s", text)
        return failed_state(text)


def _conduct(ledger: Ledger, request: Request, body: Body) -> State[Any]:
    """Find the run's row first: nothing of what a run asks for is used before it is what it was started for."""
    run = flow_run_key()
    known, key = promotion_of(ledger, run)
    try:
        refuse_changed(known, request.kind, request.parameters, run=run)
        with open_session(
            request.source,
            must_fetch=request.kind is not Kind.ROLLBACK,
            ledger=ledger,
            check=partial(refuse_elsewhere, known, run=run),
        ) as session:
            policy = session.policy(request.environment)
            if known is not None:
                refuse_renamed(known, policy.pipeline, run=run)
            row = _open_promotion(session, request, policy.pipeline, key)
            # Taken up twice at the same moment, the run finds the other's row.
            refuse_changed(row, request.kind, request.parameters, run=run)
            try:
                state = state_of(body(session, request, row))
            except ChangedError:
                raise
            except Exception as error:  # noqa: BLE001 - the row must end, whatever it is
                state = _end(session, row.id, foreseen(error))
            # Last of all, when the lease was given back: nobody waits for what is only shown.
            show_end(session.showing(policy), row.id)
            return state
    except ChangedError as error:
        if known is None:
            raise
        return end_changed(ledger, known, error)


def _end(session: Session, promotion_id: int, error: SluiceError) -> State[Any]:
    """End a promotion that failed outside the change itself, which judges its own failures.

    A retry that fails before it reaches the switch it was cut in leaves the promotion open: ended, it would
    hide that a host may run half of it.
    """
    text = process_redactor().text(str(error))[:2000]
    log().error("%s", text)
    ledger = session.ledger
    row = ledger.promotions.get(promotion_id)
    if row is None:
        return failed_state(text)
    if row.status in ENDED:
        return state_of(row)
    if row.status in ACTIVE and up_started(ledger.steps.of(promotion_id)):
        return failed_state(
            f"{text}; the switch had begun: retry this run, it continues where it was interrupted"
        )
    status = Status.REFUSED if isinstance(error, RefusedError) else Status.FAILED
    return state_of(ledger.promotions.move(promotion_id, status, now=utc_now(), message=text))


def _open_promotion(session: Session, request: Request, pipeline: str, key: str) -> PromotionRecord:
    """Find this run's promotion from before it was suspended or killed, or open a new one."""
    return session.ledger.promotions.open(
        pipeline=pipeline,
        environment=request.environment,
        kind=request.kind,
        ref=request.ref,
        flow_run_id=key,
        requested_by=request.requested_by,
        cause=request.cause,
        now=utc_now(),
        asked=request.asked(session),
    )


def rename_run(name: str) -> None:
    """Give the flow run the name people find it by."""
    with get_client(sync_client=True) as client:
        client.update_flow_run(flow_run_id=runtime.flow_run.id, name=name)


def take_place(run: Run, request: Request) -> None:
    """End the older promotions to the same environment that have touched nothing yet: the newest counts.

    A promotion may do so only once it is let in, and may wait for people or change something itself: what is refused,
    or only verifies what runs, ends nothing.

    Raises:
        RefusedError: A newer promotion took this one's place.
    """
    if _out_of_time(run):
        # It ends without having asked anybody.
        return
    line = f"promotion {run.promotion_id} of {request.ref or 'the default ref'} took its place"
    row, ended = run.ledger.promotions.take_place(run.promotion_id, line, utc_now())
    for other in ended:
        show_aside(run.showing, other.id)
        cancel_run(other.flow_run_id, line)
    _refuse_ended(row)


def others_wait(run: Run) -> bool:
    """Say whether a promotion would take another one's place: one that has touched nothing yet."""
    found = run.ledger.promotions.open_in(run.pipeline, run.environment)
    return any(other.id != run.promotion_id and other.status not in ACTIVE for other in found)


def refuse_ended(run: Run) -> None:
    """See that nobody took a promotion's place while it waited for the lease."""
    _refuse_ended(run.ledger.promotions.get(run.promotion_id))


def _refuse_ended(row: PromotionRecord | None) -> None:
    if row is not None and row.status in ENDED:
        raise RefusedError(row.message or f"promotion {row.id} ended", "nothing was touched")


def _out_of_time(run: Run) -> bool:
    row = run.ledger.promotions.get(run.promotion_id)
    approvals = run.policy.approvals
    if row is None or approvals is None:
        return False
    return utc_now() >= deadline(row.created_at, policy_of(approvals))


def begin_change(run: Run) -> None:
    """Move a promotion that holds the lease to `RUNNING`; what a dead run left active is marked abandoned.

    Raises:
        RefusedError: It ended while it waited for the lease: what does not begin takes over nothing.
    """
    refuse_ended(run)
    line = f"its run died; promotion {run.promotion_id} took over"
    row, dead = run.ledger.promotions.begin(run.promotion_id, line, utc_now())
    for one in (*dead, row):
        show_aside(run.showing, one.id)


def cancel_run(flow_run_id: str | None, message: str) -> None:
    """Cancel a suspended flow run whose promotion ended; the ledger counts, so a failure is only told."""
    if flow_run_id is None:
        return
    try:
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(flow_run_id.partition("#")[0], Cancelled(message=message), force=True)
    except Exception as error:  # noqa: BLE001 - whatever the server answers, the ledger has the truth
        log().warning("the superseded run %s could not be cancelled: %s", flow_run_id, error)


@contextmanager
def lease_held(run: Run) -> Iterator[None]:
    """Hold the environment's lease.

    Within a block that holds it already, it does nothing: whoever took it gives it back.

    Raises:
        FencedError: A host knows a higher token.
    """
    if run.keeper is not None and run.keeper.kept:
        yield
        return
    try:
        take_lease(run)
        yield
    finally:
        if run.keeper is not None:
            run.keeper.stop()


def run_title(request: Request, pipeline: str, commit: str = "") -> str:
    """Return the run's name."""
    return run_name(request.kind, pipeline, request.environment, commit)
