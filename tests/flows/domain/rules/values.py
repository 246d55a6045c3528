"""Protections as Hypothesis makes them, and a few by hand."""

from __future__ import annotations

from hypothesis import strategies as st

from blocks.values.github import RequiredCheck
from blocks.values.rules import Actors, BranchProtection, ReviewRules, StatusRules

NAMES = ("build", "lint", "test")
checks = st.lists(
    st.builds(RequiredCheck, name=st.sampled_from(NAMES), app_id=st.sampled_from([None, 7, 15368])),
    unique_by=lambda check: check.name,
    max_size=3,
).map(lambda found: tuple(sorted(found, key=lambda check: check.name)))
statuses = st.builds(StatusRules, strict=st.booleans(), checks=checks).filter(
    lambda status: status != StatusRules()
)
actors = st.none() | st.builds(Actors, users=st.sampled_from([(), ("ana",), ("ana", "ben")]))
reviews = st.builds(
    ReviewRules,
    required_approving_review_count=st.integers(0, 6),
    dismiss_stale_reviews=st.booleans(),
    require_code_owner_reviews=st.booleans(),
    require_last_push_approval=st.booleans(),
    dismissal_restrictions=actors,
    bypass_pull_request_allowances=actors,
)
protections = st.builds(
    BranchProtection,
    required_status_checks=st.none() | statuses,
    required_pull_request_reviews=st.none() | reviews,
    restrictions=actors,
    enforce_admins=st.booleans(),
    required_linear_history=st.booleans(),
    required_conversation_resolution=st.booleans(),
    allow_force_pushes=st.booleans(),
    allow_deletions=st.booleans(),
    block_creations=st.booleans(),
    lock_branch=st.booleans(),
    allow_fork_syncing=st.booleans(),
    required_signatures=st.booleans(),
)
