"""Keeps secrets out of whatever people or files get to see: log lines, errors, artifacts."""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Iterable
from functools import cache
from urllib.parse import quote, quote_plus

MASK = "•••"
# Shorter ones would turn ordinary words into masks, and are no secrets anyway.
SHORTEST = 4
# A piece of a secret (one line of a key, a part of its base64) must be longer to be told from ordinary text.
SHORTEST_PIECE = 8
# A reason is one line of a report.
_REASON_LENGTH = 300


def _base64_forms(secret: str) -> Iterable[str]:
    """Yield the base64 of a secret wherever it starts within a longer text, as in `user:password`.

    Three bytes make four digits, so there are three alignments; the digits shared with a neighbour are
    left off.
    """
    raw = secret.encode()
    for offset, shared in enumerate((0, 2, 3)):
        coded = base64.b64encode(bytes(offset) + raw).decode()
        rest = (offset + len(raw)) % 3
        end = {0: len(coded), 1: len(coded) - 3, 2: len(coded) - 2}[rest]
        piece = coded[shared:end]
        if len(piece) >= SHORTEST_PIECE:
            yield piece
            yield piece.replace("+", "-").replace("/", "_")
    yield base64.b64encode(raw).decode()
    yield base64.urlsafe_b64encode(raw).decode()


def _forms(secret: str) -> Iterable[str]:
    """Yield a secret as it is, and as URLs, JSON, Python and base64 write it."""
    yield secret
    yield quote(secret, safe="")
    yield quote(secret)
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield from _base64_forms(secret)


def _pieces(secret: str) -> Iterable[str]:
    """Yield the secret and, of one with several lines, each long line: logs are written line by line."""
    yield secret
    if "\n" in secret:
        yield from (line.strip() for line in secret.splitlines() if len(line.strip()) >= SHORTEST_PIECE)


class Redactor:
    """Replaces known secrets of four characters and more, in every form they are likely to be written in."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._forms: tuple[str, ...] = ()
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Learn further secrets."""
        known = [piece for secret in secrets if len(secret) >= SHORTEST for piece in _pieces(secret)]
        new = {form for piece in known for form in _forms(piece)}
        with self._lock:
            # The longest first: a secret that contains another one must not leave its rest behind.
            self._forms = tuple(sorted(new.union(self._forms), key=len, reverse=True))

    def text(self, text: str) -> str:
        """Return the text with each secret replaced."""
        # One after the other, each by the text's own search: a pattern of all would try all of them at each character.
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text


@cache
def process_redactor() -> Redactor:
    """Return the redactor of this process, which learns each secret as its block is loaded."""
    return Redactor()


class RedactingFilter(logging.Filter):
    """Redacts a log record: its message with arguments filled in, and its traceback."""

    def __init__(self, redactor: Redactor | None = None) -> None:
        super().__init__()
        self._redactor = redactor or process_redactor()

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record in place and let it pass."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            # A wrong format string: the handler reports it with these parts, so each is redacted by itself.
            message = f"{record.msg} {record.args}"
        redacted = self._redactor.text(message)
        if redacted != message:
            record.msg, record.args = redacted, None
        if record.exc_info and record.exc_info[0] is not None:
            text = record.exc_text or logging.Formatter().formatException(record.exc_info)
            record.exc_text = self._redactor.text(text)
        return True


def install_log_redaction(redactor: Redactor | None = None) -> None:
    """Redact every log record of the process as it is made.

    A filter on a logger misses the records of its children, one on a handler those of other handlers; the
    record factory sees all. Running it twice changes nothing.
    """
    make = logging.getLogRecordFactory()
    if getattr(make, "redacts", False):
        return
    redacting = RedactingFilter(redactor)

    def make_redacted(*args: object, **kwargs: object) -> logging.LogRecord:
        record = make(*args, **kwargs)
        redacting.filter(record)
        return record

    make_redacted.redacts = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make_redacted)


def reason_line(text: str) -> str:
    """Return what a program said as one line without secrets, of a bearable length."""
    line = " ".join(process_redactor().text(text).split())
    return line if len(line) <= _REASON_LENGTH else f"{line[: _REASON_LENGTH - 1]}…"
