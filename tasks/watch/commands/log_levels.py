"""PURE: whether a log line tells of an error, in the formats programs commonly write."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

# Where a level stands in a line: behind date, process or logger, before the message.
_LEVEL_WITHIN = 160
_BAD = frozenset(
    {"ERROR", "ERR", "SEVERE", "CRITICAL", "CRIT", "FATAL", "PANIC", "ALERT", "EMERG", "EMERGENCY"}
)
# The first level of a line counts: what comes behind it is message. PostgreSQL's STATEMENT and its kin belong to the
# line before.
_LEVEL = re.compile(
    r"(?:(?<=[\s\[(|<:])|^)"
    r"(TRACE|DEBUG\d?|VERBOSE|INFO|NOTICE|LOG|WARN|WARNING|ERROR|ERR|SEVERE|CRITICAL|CRIT|FATAL|PANIC|ALERT|EMERG"
    r"|EMERGENCY|STATEMENT|DETAIL|HINT|CONTEXT|QUERY)"
    r"(?=$|[\s\])|>:,])"
)
_BRACKETED = re.compile(
    r"[\[<](trace|debug|info|notice|warn|warning|error|err|severe|critical|crit|fatal|panic|alert|emerg)[\]>]"
)
_LOGFMT = re.compile(r"\b(?:level|lvl|severity|loglevel)=\"?+([A-Za-z]++)\"?+")
_KLOG = re.compile(r"^([IWEF])\d{4} \d\d:\d\d:\d\d")
_ACCESS = re.compile(r"\"([A-Z]{3,10}+) ([^\s\"?]{1,300}+)[^\"]*+\" (\d{3})\b")
# How programs end that do not log: Node, Java, Go, shells.
_BARE = re.compile(
    r"^(?:error|fatal|panic|npm ERR!)\s*+:|^(?:Uncaught|Unhandled|Exception in thread)\b"
    r"|^(?:[A-Za-z_]\w*+\.){0,8}[A-Z]\w{0,80}(?:Error|Exception)(?::|$)",
)
# What nginx adds about the request differs from line to line.
_NGINX_REQUEST = re.compile(r", client: .*+")
_WORST_STATUS = 500
# pino and bunyan write levels as numbers.
_ERROR_NUMBER = 50
_JSON_LEVELS = ("level", "levelname", "severity", "lvl", "log.level", "@l", "loglevel", "log_level")
# For an object that is cut, or broken: its level is read where its message cannot be.
_JSON_LEVEL = re.compile(
    rf"[{{,]\s{{0,20}}+\"(?:{'|'.join(map(re.escape, _JSON_LEVELS))})\"\s{{0,20}}+:\s{{0,20}}+\"?+(\w{{1,20}}+)"
)
_JSON_MESSAGES = ("message", "msg", "event", "@m", "@mt", "short_message", "error", "err", "exception")
_JSON_STATUS = ("status", "status_code", "statusCode")


def error_text(line: str) -> str | None:
    """Return what a line says where it tells of an error, with what stands before the message left out.

    Known are levels as words (Python, uvicorn, gunicorn, PostgreSQL, nginx, Java, Ruby, MySQL), logfmt, JSON, klog,
    access logs with a status of 500 or more, and the last words of programs that do not log.

    Args:
        line: The line, without colours and line end.

    Returns:
        The level and the message, or None where it tells of no error.
    """
    if line.startswith("{"):
        known, text = _json_text(line)
        if known:
            return text
    access = _ACCESS.search(line)
    if access is not None:
        status = int(access[3])
        return f"{_phrase(status)}: {access[1]} {access[2]}" if status >= _WORST_STATUS else None
    level = _LEVEL.search(line, 0, _LEVEL_WITHIN) or _BRACKETED.search(line, 0, _LEVEL_WITHIN)
    if level is not None:
        return _NGINX_REQUEST.sub("", line[level.start() :]) if level[1].upper() in _BAD else None
    named = _LOGFMT.search(line)
    if named is not None:
        return line[named.start() :] if named[1].upper() in _BAD else None
    klog = _KLOG.match(line)
    if klog is not None:
        return f"{klog[1]} {line.partition(']')[2].strip() or line}" if klog[1] in "EF" else None
    return line if _BARE.match(line) else None


def _is_bad(level: str) -> bool:
    return level.upper() in _BAD or (level.isdecimal() and int(level) >= _ERROR_NUMBER)


def _phrase(status: int) -> str:
    """Return a status in words: as a number it would be masked like any other."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Server Error"


def _json_text(line: str) -> tuple[bool, str | None]:
    """Return whether the line's object says how bad it is, and what it says where that is bad."""
    entry = _object(line)
    if entry is not None:
        return True, _from_json(entry)
    level = _JSON_LEVEL.search(line)
    if level is None:
        return False, None
    return True, f"{level[1].upper()} {line}" if _is_bad(level[1]) else None


def _object(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _from_json(entry: dict[str, Any]) -> str | None:
    level = next((entry[key] for key in _JSON_LEVELS if key in entry), None)
    if isinstance(level, str):
        bad = level.upper() in _BAD
    elif isinstance(level, int):
        bad = level >= _ERROR_NUMBER
    else:
        status = next((entry[key] for key in _JSON_STATUS if isinstance(entry.get(key), int)), 0)
        bad = status >= _WORST_STATUS
    if not bad:
        return None
    said = next((text for key in _JSON_MESSAGES if (text := _said(entry.get(key)))), "")
    text = f"{str(level or 'status').upper()} {said or ', '.join(sorted(entry)[:8])}"
    # JSON can name half a character, which nothing that keeps or sends the text can encode.
    return text.encode(errors="replace").decode()


def _said(value: object) -> str:
    """Return the text of a message, which some loggers nest: `{"err": {"message": …}}`."""
    if isinstance(value, dict):
        value = value.get("message") or value.get("msg") or value.get("type")
    return " ".join(value.split()) if isinstance(value, str) else ""
