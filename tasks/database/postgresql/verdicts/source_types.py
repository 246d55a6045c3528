"""The types a revision file says its columns had: `existing_type` of `op.alter_column`, which autogenerate writes."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

_PLAIN = {
    "text": "text",
    "unicodetext": "text",
    "integer": "integer",
    "biginteger": "bigint",
    "bigint": "bigint",
    "smallinteger": "smallint",
    "smallint": "smallint",
    "real": "real",
    "double": "double precision",
    "double_precision": "double precision",
    "json": "json",
    "jsonb": "jsonb",
    "uuid": "uuid",
    "boolean": "boolean",
    "date": "date",
    "cidr": "cidr",
}
_SIZED = {"string": "varchar", "varchar": "varchar", "unicode": "varchar", "char": "char"}
_SIZED |= dict.fromkeys(("numeric", "decimal"), "numeric")
_TIMES = {"datetime": "timestamp", "timestamp": "timestamp", "time": "time"}


def existing_types(module: ast.Module) -> Mapping[str, str]:
    """Return what a revision says of the types before it.

    Returns:
        `table.column` → the type as PostgreSQL writes it; types that are not known here are left out.
    """
    upgrade = next(
        (one for one in module.body if isinstance(one, ast.FunctionDef) and one.name == "upgrade"), None
    )
    if upgrade is None:
        return {}
    batches = dict(_batches(upgrade))
    found: dict[str, str] = {}
    for node in ast.walk(upgrade):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "alter_column"
        ):
            found |= _altered(node, batches)
    return found


def _altered(call: ast.Call, batches: Mapping[str, str]) -> dict[str, str]:
    keywords = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    words = [_text(one) for one in call.args]
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    if isinstance(owner, ast.Name) and owner.id in batches:
        table, column = batches[owner.id], words[0] if words else _text(keywords.get("column_name"))
    else:
        table = _qualified(words[0] if words else _text(keywords.get("table_name")), keywords)
        column = words[1] if len(words) > 1 else _text(keywords.get("column_name"))
    existing = _type(keywords.get("existing_type"))
    return {f"{table}.{column}": existing} if table and column and existing else {}


def _batches(function: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    """Yield name and table of each `with op.batch_alter_table("orders") as batch_op`."""
    for node in ast.walk(function):
        for item in node.items if isinstance(node, ast.With) else ():
            call, name = item.context_expr, item.optional_vars
            if isinstance(call, ast.Call) and call.args and isinstance(name, ast.Name):
                keywords = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
                yield name.id, _qualified(_text(call.args[0]), keywords)


def _qualified(table: str, keywords: Mapping[str, ast.expr]) -> str:
    schema = _text(keywords.get("schema"))
    return f"{schema}.{table}" if schema and table else table


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _type(node: ast.expr | None) -> str:
    """Return the type an expression such as `sa.String(length=20)` or `sa.VARCHAR` stands for; empty where unknown."""
    call = node if isinstance(node, ast.Call) else None
    named = call.func if call else node
    name = named.attr if isinstance(named, ast.Attribute) else named.id if isinstance(named, ast.Name) else ""
    name = name.lower()
    if name in _PLAIN:
        return _PLAIN[name]
    if name in _SIZED:
        numbers = _numbers(call)
        return f"{_SIZED[name]}({','.join(map(str, numbers))})" if numbers else _SIZED[name]
    return f"{_TIMES[name]}{_zone(call)}" if name in _TIMES else ""


def _numbers(call: ast.Call | None) -> list[int]:
    if call is None:
        return []
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    nodes = [*call.args, *(named[word] for word in ("length", "precision", "scale") if word in named)]
    return [one.value for one in nodes if isinstance(one, ast.Constant) and isinstance(one.value, int)]


def _zone(call: ast.Call | None) -> str:
    given = [keyword.value for keyword in call.keywords if keyword.arg == "timezone"] if call else []
    values = [*(call.args if call else ()), *given]
    on = any(isinstance(one, ast.Constant) and one.value is True for one in values)
    return " with time zone" if on else ""
