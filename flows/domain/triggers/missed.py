"""What GitHub failed to deliver: branches and tags that moved without a word. GitHub does not send it again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from blocks.values.deliveries import MISSED, Arrived
from flows.domain.triggers.decide import TriggerRule
from flows.domain.triggers.events import BRANCHES, TAGS, missed_event
from flows.domain.words.refs import matches


def unheard_of(
    refs: Mapping[str, str],
    known: Mapping[str, str],
    rules: Sequence[TriggerRule],
    opened: Sequence[str] = (),
) -> dict[str, str]:
    """Return the branches and tags that are where nobody told they are, and whose pushes start something.

    Args:
        refs: Where the repository's branches and tags are: `refs/…` → commit.
        known: Where deliveries told last that they are.
        opened: Patterns of branches that get a pull request when they are pushed.
    """
    return {
        ref: sha
        for ref, sha in refs.items()
        if known.get(ref) != sha
        and (
            any(_listens(rule, ref) for rule in rules)
            or (ref.startswith(BRANCHES) and matches(ref.removeprefix(BRANCHES), opened))
        )
    }


def missed(now: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """Return what was unheard of at two looks in a row: a delivery may still be on its way at the first."""
    return {ref: sha for ref, sha in now.items() if before.get(ref) == sha}


def missed_arrival(repository: str, ref: str, sha: str) -> Arrived:
    """Return the delivery that stands for what was missed; the same for every look, so it is stored once."""
    digest = hashlib.sha256(f"{repository}\0{ref}\0{sha}".encode()).hexdigest()
    return Arrived(
        delivery=f"{MISSED}-{digest[:32]}",
        event=MISSED,
        repository=repository,
        ref=ref,
        sha=sha,
        sender="github",
        digest=digest,
        facts=missed_event(ref, sha).to_json(),
    )


def _listens(rule: TriggerRule, ref: str) -> bool:
    if ref.startswith(BRANCHES):
        return "push" in rule.triggers.events and matches(ref.removeprefix(BRANCHES), rule.branches)
    return "tag" in rule.triggers.events and matches(ref.removeprefix(TAGS), rule.tags)
