"""PURE: the errors in a service's log, told apart by what they have in common."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blocks.values.watch import LogError
from tasks.watch.commands.log_levels import error_text
from tasks.watch.commands.mask import LONGEST_LINE, mask, plain, scrub

# Of a service's errors; the rarest are left out.
MOST_KINDS = 200
_LONGEST_SAMPLE = 400

_TRACEBACK = re.compile(r"^[\s|+]*+(?:Exception Group )?Traceback \(most recent call last\):")
_CHAINED = re.compile(
    r"^[\s|]*+(?:During handling of the above exception|The above exception was the direct cause)"
)
_FRAME = re.compile(r"^[\s|]*+File \"([^\"]++)\", line \d++, in (\S++)")
_RAISED = re.compile(r"^(?:\s*+\|\s*+)?((?:[A-Za-z_]\w*+\.)*[A-Za-z_]\w*+)(?::\s|:?$|: )")
_FOREIGN = ("/site-packages/", "/dist-packages/", "/lib/python")


@dataclass
class _Event:
    """One error: the text it is known by, the line that shows it, and the numbers of its lines."""

    text: str
    sample: str
    lines: range


@dataclass(frozen=True)
class LogPatterns:
    """What the pipeline says about lines: pieces of a line, `*` for any characters, case does not matter.

    Attributes:
        watch: Lines that count whatever their level.
        ignore: Lines that never count.
    """

    watch: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


def matches(pattern: str, line: str) -> bool:
    """Say whether a line holds a pattern.

    Args:
        pattern: Pieces of a line, `*` between them.
    """
    # Pieces are looked for one after the other: no line, however hostile, makes that slow.
    text, at = line.lower(), 0
    for piece in pattern.lower().split("*"):
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def too_long(lines: Sequence[str]) -> int:
    """Return how many lines are longer than what is looked at of one."""
    return sum(len(line) > LONGEST_LINE for line in lines)


def find_errors(service: str, lines: Sequence[str], patterns: LogPatterns) -> tuple[LogError, ...]:
    """Find the errors in a service's log, and what the pipeline watches for.

    A Python traceback is one error, together with the line before it that announces it; it is known by the exception
    and the function of the application that raised it.

    Args:
        lines: Its log, oldest first, without timestamps of the engine.
        patterns: What the pipeline says about lines.

    Returns:
        One entry for each kind, the most frequent first, bounded.
    """
    read = [scrub(plain(line)) for line in lines]
    ignored = {
        number for number, line in enumerate(read) if any(matches(one, line) for one in patterns.ignore)
    }
    found: dict[tuple[str, str], LogError] = {}
    for event in _events(read):
        if not ignored.intersection(event.lines):
            _count(found, LogError(service=service, text=event.text, count=1, sample=event.sample))
    for number, line in enumerate(read):
        if number in ignored:
            continue
        for pattern in patterns.watch:
            if matches(pattern, line):
                sample = line.strip()[:_LONGEST_SAMPLE]
                _count(found, LogError(service=service, sign="pattern", text=pattern, count=1, sample=sample))
    # What is watched for must not be crowded out.
    ranked = sorted(found.values(), key=lambda one: (one.sign != "pattern", -one.count, one.text))
    return tuple(ranked[:MOST_KINDS])


def _count(found: dict[tuple[str, str], LogError], one: LogError) -> None:
    key = (one.sign, one.text)
    known = found.get(key)
    found[key] = one if known is None else known.model_copy(update={"count": known.count + 1})


def _events(lines: Sequence[str]) -> Iterator[_Event]:
    """Yield the errors, each traceback joined with the line that announces it."""
    announced: _Event | None = None
    number = 0
    while number < len(lines):
        if _TRACEBACK.match(lines[number]):
            raised = _traceback(lines, number)
            yield _joined(announced, raised)
            announced, number = None, raised.lines.stop
            continue
        if announced is not None:
            yield announced
        text = error_text(lines[number])
        sample = lines[number].strip()[:_LONGEST_SAMPLE]
        announced = _Event(mask(text), sample, range(number, number + 1)) if text is not None else None
        number += 1
    if announced is not None:
        yield announced


def _joined(announced: _Event | None, raised: _Event) -> _Event:
    if announced is None:
        return raised
    sample = f"{announced.sample} · {raised.sample}"[:_LONGEST_SAMPLE]
    lines = range(announced.lines.start, raised.lines.stop)
    return _Event(f"{announced.text} · {raised.text}", sample, lines)


def _traceback(lines: Sequence[str], start: int) -> _Event:
    """Read a traceback, with those it is chained to; the last exception counts."""
    number, frame, foreign, raised = start, "", "", ""
    while number < len(lines):
        line = lines[number]
        if _TRACEBACK.match(line):
            if number > start and not _belongs(lines, number):
                break
            frame = foreign = ""
        elif at := _FRAME.match(line):
            own = not at[1].startswith("<") and not any(part in at[1] for part in _FOREIGN)
            where = f"{at[1].rpartition('/')[2]} {at[2]}"
            frame, foreign = (where, foreign) if own else (frame, where)
        elif line[:1] in {" ", "\t"} or not line or _CHAINED.match(line):
            # Groups indent their exceptions too.
            raised = line.strip(" |") if "|" in line and _is_raised(line) else raised
        elif _is_raised(line) and not _ended(lines, start, number):
            raised = line
        else:
            break
        number += 1
    said = raised or lines[start].strip()
    place = frame or foreign
    text = f"{mask(said)}{f' in {place}' if place else ''}"
    return _Event(text, said[:_LONGEST_SAMPLE], range(start, number))


def _belongs(lines: Sequence[str], number: int) -> bool:
    """Say whether a further traceback is a part of the one before: of its group, or chained to it."""
    before = next((lines[at] for at in range(number - 1, -1, -1) if lines[at]), "")
    return lines[number][:1] in {" ", "\t", "|", "+"} or _CHAINED.match(before) is not None


def _is_raised(line: str) -> bool:
    named = _RAISED.match(line)
    # `INFO: …` is the next line of the log.
    return named is not None and not named[1].isupper()


def _ended(lines: Sequence[str], start: int, number: int) -> bool:
    """Say whether the exception was told already: what stands at the margin behind it is the next log line."""
    back = (lines[at] for at in range(number - 1, start - 1, -1))
    last = next(line for line in back if line and not _CHAINED.match(line))
    return last[:1] not in {" ", "\t"} and not _TRACEBACK.match(last)
