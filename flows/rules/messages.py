"""What the pipeline's channels are told about the rules on GitHub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.kernel.redact import process_redactor
from tasks.steps.notify import tell

if TYPE_CHECKING:
    from flows.core.session import Session


def tell_of_rules(session: Session, text: str, key: str) -> None:
    """Tell the pipeline's channels.

    Args:
        key: What makes the message one of a kind in its pipeline.
    """
    pipeline, said = session.pipeline.pipeline, process_redactor().text(text)
    data: dict[str, object] = {"pipeline": pipeline, "kind": "rules", "message": said}
    tell(session.pipeline.notify, said, data, f"{pipeline}/{key}")
