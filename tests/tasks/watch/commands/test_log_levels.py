"""Whether a line tells of an error, in the formats programs write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.watch.commands.log_levels import error_text

ERRORS = [
    (
        f'10.0.0.1 - - [26/Nov/2026] "GET /search?q={"x" * 4000} HTTP/1.1" 500 0',
        "Internal Server Error: GET /search",
    ),
    ("2026-11-26 06:00:00,123 ERROR order 5 is lost", "ERROR order 5 is lost"),
    ("ERROR:    Exception in ASGI application", "ERROR:    Exception in ASGI application"),
    ("ERROR:root:it broke", "ERROR:root:it broke"),
    ("CRITICAL:root:it broke", "CRITICAL:root:it broke"),
    ("[2026-11-26 06:00:00 +0000] [7] [ERROR] Worker (pid:9) exited", "ERROR] Worker (pid:9) exited"),
    (
        '2026-11-26 06:00:00.000 UTC [12] ERROR:  relation "x" does not exist',
        'ERROR:  relation "x" does not exist',
    ),
    (
        "2026-11-26 06:00:00.000 UTC [12] FATAL:  the database system is starting up",
        "FATAL:  the database system is starting up",
    ),
    (
        "2026/11/26 06:00:00 [error] 29#29: *1 connect() failed (111: Connection refused) while connecting to "
        'upstream, client: 172.18.0.1, server: _, request: "GET / HTTP/1.1", upstream: "http://172.18.0.4:8000/"',
        "[error] 29#29: *1 connect() failed (111: Connection refused) while connecting to upstream",
    ),
    (
        '172.18.0.1 - - [26/Nov/2026:06:00:00 +0000] "GET /api/orders?page=2 HTTP/1.1" 502 157 "-" "curl"',
        "Bad Gateway: GET /api/orders",
    ),
    (
        'INFO:     172.18.0.1:41234 - "POST /api/orders HTTP/1.1" 500 Internal Server Error',
        "Internal Server Error: POST /api/orders",
    ),
    (
        "2026-11-26T06:00:00.000Z  ERROR 1 --- [main] c.e.Shop : it broke",
        "ERROR 1 --- [main] c.e.Shop : it broke",
    ),
    ("E, [2026-11-26T06:00:00.000 #1] ERROR -- : it broke", "ERROR -- : it broke"),
    (
        "2026-11-26T06:00:00Z 0 [ERROR] [MY-010020] [Server] Data Dictionary failed",
        "ERROR] [MY-010020] [Server] Data Dictionary failed",
    ),
    ('time=2026-11-26T06:00:00Z level=error msg="it broke"', 'level=error msg="it broke"'),
    ("E1126 06:00:00.000000       1 main.go:12] it broke", "E it broke"),
    ("panic: runtime error: index out of range", "panic: runtime error: index out of range"),
    ("TypeError: x is undefined", "TypeError: x is undefined"),
    ("sqlalchemy.exc.OperationalError: (psycopg) down", "sqlalchemy.exc.OperationalError: (psycopg) down"),
    (
        'Exception in thread "main" java.lang.IllegalStateException: no',
        'Exception in thread "main" java.lang.IllegalStateException: no',
    ),
    ('{"level":"error","msg":"it broke"}', "ERROR it broke"),
    ('{"level":50,"msg":"it broke","time":1}', "50 it broke"),
    ('{"severity":"CRITICAL","message":"it\\nbroke"}', "CRITICAL it broke"),
    ('{"levelname":"ERROR","err":{"message":"it broke"}}', "ERROR it broke"),
    ('{"level":"fatal","pid":1}', "FATAL level, pid"),
    ('{"status":503,"msg":"GET /"}', "STATUS GET /"),
]
ERRORS.append(('1.2.3.4 - - [x] "GET / HTTP/1.1" 599 0', "Server Error: GET /"))
NONE = [
    "",
    'INFO:     172.18.0.1:41234 - "GET /api/health HTTP/1.1" 200 OK',
    "INFO handled ERROR code of the bank",
    "2026-11-26 06:00:00,123 WARNING not healthy: OperationalError",
    "2026-11-26 06:00:00.000 UTC [12] STATEMENT:  select ' ERROR '",
    "2026-11-26 06:00:00.000 UTC [12] LOG:  checkpoint complete",
    "2026/11/26 06:00:00 [notice] 1#1: signal 17 (SIGCHLD) received",
    'level=info msg="no error"',
    "I1126 06:00:00.000000       1 main.go:12] fine",
    "0 errors found",
    "    at Object.<anonymous> (/app/index.js:1:7)",
    '{"level":"info","msg":"error"}',
    '{"level":30,"msg":"fine"}',
    '{"status":200}',
    '{"level":null}',
    "[1, 2]",
    "{broken ERROR json",
    "GET /errors 404",
]


@pytest.mark.parametrize(("line", "text"), ERRORS)
def test_errors_are_recognised(line: str, text: str) -> None:
    assert error_text(line) == text


@pytest.mark.parametrize("line", [line for line in NONE if "broken" not in line])
def test_other_lines_are_none(line: str) -> None:
    assert error_text(line) is None


def test_what_only_looks_like_json_is_read_as_text() -> None:
    assert error_text("{broken ERROR json") == "ERROR json"
    assert error_text("{" * 100_000) is None
    assert error_text('{"a":' * 50_000) is None


@given(st.text(max_size=300))
def test_any_line_is_read(line: str) -> None:
    found = error_text(line)
    assert found is None or isinstance(found, str)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda c: st.dictionaries(st.sampled_from(["level", "msg", "status", "err"]), c),
        max_leaves=8,
    )
)
def test_any_json_is_read(value: object) -> None:
    import json

    found = error_text(json.dumps(value))
    assert found is None or isinstance(found, str)
