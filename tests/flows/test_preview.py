"""What `sluice plan` gets from its flow."""

from __future__ import annotations

import pytest
from prefect.futures import resolve_futures_to_states

from flows.planning.plan import PlanPreview
from tests.flows.domain.samples import plan


def test_prefect_does_not_look_into_what_the_flow_returns() -> None:
    found = PlanPreview(plan=plan(), gates=(), built=True)
    assert resolve_futures_to_states(found) is found
    # Into a plan it does, and fails: its field `keys` is taken for a mapping's.
    with pytest.raises(TypeError, match="not callable"):
        resolve_futures_to_states(found.plan)
