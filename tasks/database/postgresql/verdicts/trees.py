"""Reading PostgreSQL's parse trees: names, functions called, columns referred to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pglast import ast

# Functions of PostgreSQL that change nothing and give the same for a whole statement: as a default they need no
# rewrite, in a query they only read. Everything else is taken for one that may do anything.
_STABLE = (
    "abs age array_agg array_append array_cat array_length array_position array_remove array_to_string avg bool_and "
    "bool_or btrim cardinality ceil ceiling char_length coalesce concat concat_ws convert_from convert_to count "
    "current_database current_schema current_setting date date_part date_trunc decode dense_rank digest encode extract "
    "first_value floor format format_type greatest initcap int4range int8range isfinite json_agg json_array_elements "
    "json_build_array json_build_object json_each json_object jsonb_agg jsonb_array_elements jsonb_array_length "
    "jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_object jsonb_object_agg jsonb_set "
    "jsonb_strip_nulls jsonb_typeof json_typeof lag last_value lead least left length localtimestamp lower lpad ltrim "
    "make_date make_interval make_timestamp make_timestamptz max md5 min mod now nullif numrange octet_length "
    "pg_get_serial_sequence power quote_ident quote_literal quote_nullable range_merge rank regexp_match "
    "regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table repeat replace reverse right round "
    "row_number row_to_json rpad rtrim sha256 sign split_part sqrt starts_with statement_timestamp string_agg "
    "string_to_array strpos substr substring sum timezone to_char to_date to_json to_jsonb to_number to_regclass "
    "to_timestamp to_tsquery to_tsvector setweight transaction_timestamp translate trim trunc tsrange tstzrange "
    "daterange unnest upper jsonb_path_query generate_series version"
)
STABLE = frozenset(_STABLE.split())
# Functions that give something else for each row, and change nothing but a sequence.
_VOLATILE = (
    "clock_timestamp gen_random_bytes gen_random_uuid nextval random timeofday uuid_generate_v1 uuid_generate_v1mc "
    "uuid_generate_v4 uuidv4 uuidv7 gen_ulid pg_sleep"
)
VOLATILE = frozenset(_VOLATILE.split())


_TEXTS = frozenset({"text", "varchar"})


def nodes_in(root: Any) -> Iterator[Any]:  # noqa: ANN401 - the parser's trees are not typed
    """Yield every node of a parse tree, without recursion, since trees may be deep."""
    waiting = [root]
    while waiting:
        here = waiting.pop()
        if isinstance(here, tuple):
            waiting.extend(reversed(here))
        elif isinstance(here, ast.Node):
            yield here
            waiting.extend(getattr(here, member) for member in here)


def strings(names: tuple[Any, ...] | None) -> tuple[str, ...]:
    """Return the texts of a tuple of name nodes."""
    return tuple(str(name.sval) for name in names or () if isinstance(name, ast.String))


def dotted(names: tuple[Any, ...] | None) -> str:
    """Return a tuple of name nodes as one name with points."""
    return ".".join(strings(names))


def relation_name(relation: Any) -> str:  # noqa: ANN401
    """Return a table as it is written: with its schema where there is one; empty for none."""
    if relation is None:
        return ""
    return ".".join(part for part in (relation.schemaname, relation.relname) if part)


def functions(root: Any) -> frozenset[str]:  # noqa: ANN401
    """Return the functions a tree calls; PostgreSQL's own schema is left out of their names."""
    called = (strings(node.funcname) for node in nodes_in(root) if isinstance(node, ast.FuncCall))
    return frozenset(".".join(name[1:] if name[:1] == ("pg_catalog",) else name).lower() for name in called)


def unknown_functions(root: Any) -> tuple[str, ...]:  # noqa: ANN401
    """Return the called functions of which it is not known here that they only compute, sorted."""
    return tuple(sorted(functions(root) - STABLE - VOLATILE))


def columns(root: Any) -> frozenset[str]:  # noqa: ANN401
    """Return the columns an expression refers to, by their bare names; `*` for whole rows."""
    found = (node.fields or () for node in nodes_in(root) if isinstance(node, ast.ColumnRef))
    return frozenset(
        str(fields[-1].sval) if fields and isinstance(fields[-1], ast.String) else "*" for fields in found
    )


def same_for_all_rows(expression: Any) -> bool:  # noqa: ANN401
    """Say whether a default is computed once, so that adding a column with it rewrites nothing."""
    return not functions(expression) - STABLE


def may_refuse(expression: Any) -> bool:  # noqa: ANN401
    """Say whether computing an expression may fail for a row, so that the row is refused.

    Casts of values to anything but text are taken for such, and functions that are not known.
    """
    casts = (node for node in nodes_in(expression) if isinstance(node, ast.TypeCast))
    strict = any(columns(cast.arg) and _cast_to(cast) not in _TEXTS for cast in casts)
    return strict or bool(unknown_functions(expression))


def _cast_to(cast: ast.TypeCast) -> str:
    names = strings(cast.typeName.names) if cast.typeName is not None else ()
    return names[-1] if names else ""


def is_null(expression: Any) -> bool:  # noqa: ANN401
    """Say whether an expression is NULL, cast or not."""
    while isinstance(expression, ast.TypeCast):
        expression = expression.arg
    return isinstance(expression, ast.A_Const) and bool(expression.isnull)


def option(options: tuple[Any, ...] | None, name: str) -> Any:  # noqa: ANN401
    """Return the option of that name among `(name value, …)`; None where it is not given."""
    return next((one for one in options or () if isinstance(one, ast.DefElem) and one.defname == name), None)


def is_on(options: tuple[Any, ...] | None, name: str) -> bool:
    """Say whether an option is given and not switched off."""
    found = option(options, name)
    if found is None:
        return False
    value = found.arg
    text = str(getattr(value, "sval", getattr(value, "ival", getattr(value, "boolval", "true")))).lower()
    return text not in {"false", "off", "0", "no"}
