"""What `sluice plan` gets from its flow."""

from __future__ import annotations

from prefect.futures import resolve_futures_to_states

from flows.promotion.plan import PlanPreview
from tests.flows.domain.samples import plan


def test_prefect_can_look_into_what_the_flow_returns() -> None:
    """A field called `keys` made it take the plan for a mapping, and fail."""
    found = PlanPreview(plan=plan(), gates=(), built=True)
    assert resolve_futures_to_states(found) == found
