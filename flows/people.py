"""Approvers, as their blocks have them."""

from __future__ import annotations

from typing import cast

from blocks.approver import Approver
from flows.domain.approval_values import ApproverFacts


def approver_facts(name: str) -> ApproverFacts | None:
    """Read one approver's block.

    Args:
        name: The approver's name, as a policy lists it. Untrusted.

    Returns:
        The person, None where nobody of that name is enrolled.
    """
    if not name or len(name) > 64 or not name.replace("-", "").isalnum():  # noqa: PLR2004 - a block's name
        return None
    try:
        block = cast("Approver", Approver.load(name))
    except ValueError:
        return None
    return ApproverFacts(
        name=name,
        totp_secret=block.totp_secret,
        identities=(block.person, *block.identities) if block.person else tuple(block.identities),
        active=block.active,
    )
