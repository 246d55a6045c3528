"""The base of every value: frozen, strict about unknown fields, serialisable."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """An immutable value that travels between tasks, the ledger and hosts as JSON.

    Times are UTC. What is None or empty is not there, or not known, unless the value says more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> str:
        """Return the canonical JSON text of the value, stable enough to be hashed."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a value back from its JSON text.

        Raises:
            pydantic.ValidationError: The text is not such a value.
        """
        return cls.model_validate_json(text)
