"""Shows a promotion on GitHub as the ledger has it: at each of its moments, and later where that was missed."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

from blocks.values.lifecycle import LIVE, Status
from flows.core.github import no_block, open_shower
from flows.domain.publication.states import LEFT
from flows.publication.components import Parts
from flows.publication.promotion_view import PromotionView
from tasks.github.show_promotion import PublicationPart, Published, carry, shown
from tasks.github.show_promotion import show as show_task
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import SluiceError
from tasks.steps.step import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tasks.ledger.records import PromotionRecord
    from tasks.steps.publication import Showing

_MOST_ROWS = 50
# What was missed is tried again so often, and for so long.
_MOST_TRIES = 5
_TRIED_FOR = timedelta(days=1)
_WAIT_SECONDS = 60.0
# A run shows its own moments: only what it did not get to is shown by others.
_RUN_SHOWS_WITHIN = timedelta(minutes=2)


def show(showing: Showing | None, promotion_id: int, *, sha: str = "") -> None:
    """Show a promotion now. What fails is told in the log and the journal, and changes nothing.

    Args:
        sha: Its commit, where the ledger does not have it yet.
    """
    if showing is not None:
        _quietly(lambda: show_task(lambda: _told(showing, promotion_id, sha)))


def show_aside(showing: Showing | None, promotion_id: int, *, sha: str = "") -> None:
    """Show a promotion beside what its flow goes on with. It shows what is true when it comes to it."""
    if showing is not None:
        _quietly(lambda: showing.begun.append(show_task.submit(lambda: _told(showing, promotion_id, sha))))


def show_end(showing: Showing | None, promotion_id: int) -> None:
    """Show how a promotion ended, when all that was shown beside it is done."""
    if showing is None:
        return
    for future in showing.begun:
        future.wait(_WAIT_SECONDS)
    showing.begun.clear()
    show(showing, promotion_id)


def _quietly(act: Callable[[], object]) -> None:
    try:
        act()
    except Exception:  # noqa: BLE001 - the environment runs what it should, whatever goes wrong in showing it
        log().warning("show: unexpected failure", exc_info=True)


def _told(showing: Showing, promotion_id: int, sha: str) -> str:
    """Show a promotion, and those whose release it took the place of."""
    try:
        with showing.lock:
            return "; ".join(filter(None, (_shown(scene) for scene in _scenes(showing, promotion_id, sha))))
    except SluiceError as error:
        log().warning("not shown on GitHub: %s", error)
        return str(error)


def _scenes(showing: Showing, promotion_id: int, sha: str) -> Iterable[PromotionView]:
    row = showing.ledger.promotions.get(promotion_id)
    if row is None:
        return
    scene = PromotionView(showing, row, sha)
    yield scene
    if row.status in LIVE and scene.runs:
        yield from (PromotionView(showing, other) for other in _lived_before(showing, row))


def _lived_before(showing: Showing, row: PromotionRecord) -> Iterable[PromotionRecord]:
    """Return the promotions whose deployment still looks as if their release ran."""
    for other in showing.ledger.promotions.history(row.pipeline, row.environment, limit=_MOST_ROWS):
        moments = shown(showing.ledger.steps.of(other.id)) if other.status in LIVE else {}
        if other.id != row.id and Status.SUCCEEDED.value in moments and LEFT not in moments:
            yield other


def _shown(scene: PromotionView) -> str:
    if not scene.policy.show.anything or not scene.due:
        return ""
    ledger, row = scene.showing.ledger, scene.row
    if not scene.showing.github:
        return carry(ledger, row.id, scene.moment, scene.sha, [PublicationPart("GitHub", _no_block)])
    with closing(open_shower(scene.showing.github)) as github:
        return carry(ledger, row.id, scene.moment, scene.sha, Parts(scene, github).wanted())


def _no_block() -> Published:
    raise no_block()


def show_missed(showing: Showing | None, environment: str) -> int:
    """Show what the runs of an environment's promotions did not get to show.

    Running it twice is safe: what was shown is not due any more.
    """
    if showing is None:
        return 0
    policy, now = showing.policies[environment], utc_now()
    history = showing.ledger.promotions.history(policy.pipeline, environment, limit=_MOST_ROWS)
    late = [row for row in history if _RUN_SHOWS_WITHIN < now - row.updated_at < _TRIED_FOR]
    # Oldest first, so that the newest has the last word.
    missed = [row for row in reversed(late) if _is_missed(PromotionView(showing, row))]
    for row in missed:
        show(showing, row.id)
    return len(missed)


def _is_missed(scene: PromotionView) -> bool:
    """Say whether something of a promotion is due that was begun to be shown, or is what runs."""
    tried = scene.rows.get(scene.moment)
    tries = tried.attempts if tried is not None else 0
    begun = bool(scene.rows) or scene.runs
    return begun and scene.due and tries < _MOST_TRIES
