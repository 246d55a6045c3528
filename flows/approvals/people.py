"""Approvers, as their blocks have them."""

from __future__ import annotations

from blocks.approver import Approver
from flows.domain.approvals.values import ApproverFacts
from tasks.kernel.blocks import BlockError, read_block


def approver_facts(name: str) -> ApproverFacts | None:
    """Read one approver's block.

    Args:
        name: The approver's name, as a policy lists it. Untrusted.

    Returns:
        The person, None where nobody of that name is enrolled; `sluice doctor` says which block is not valid.
    """
    if not name or len(name) > 64 or not name.replace("-", "").isalnum():  # noqa: PLR2004 - a block's name
        return None
    try:
        block = read_block(Approver, name)
    except BlockError:
        return None
    return ApproverFacts(
        name=name,
        totp_secret=block.totp_secret,
        identities=(block.person, *block.identities) if block.person else tuple(block.identities),
        active=block.active,
        github_login=block.github_login,
    )
