"""Turns pydantic's errors into problems: the path as written, the expectation, the nearest spelling."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel, ValidationError

from blocks.pipeline.durations import format_duration
from blocks.pipeline.problems import KeyPath, Problem, nearest, shown
from blocks.pipeline.sections import ConflictError
from blocks.pipeline.smoke import KINDS

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from blocks.pipeline.source import Document

EXPECTED = {
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a duration such as 90s, 15m, 24h or 7d",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "tuple_type": "expected a list",
    "dict_type": "expected keys with values",
    "model_type": "expected keys with values",
    "model_attributes_type": "expected keys with values",
    "greater_than_equal": "expected at least {ge}",
    "greater_than": "expected more than {gt}",
    "less_than_equal": "expected at most {le}",
}


def explain(error: ValidationError, model: type[BaseModel], document: Document) -> Iterator[Problem]:
    """Explain what pydantic found."""
    for detail in error.errors(include_url=False):
        if detail["type"] == "too_short" and detail["input"]:
            continue  # an entry is wrong, which is reported; the list is not short
        path, found = _locate(detail, document.data)
        yield Problem(path, _message(detail, found, model), document.line_of(path))


def _locate(detail: ErrorDetails, data: object) -> tuple[KeyPath, object]:
    """Keep what is in the file: pydantic's location also names the kinds it tried."""
    path: KeyPath = ()
    for part in detail["loc"]:
        entries = dict(enumerate(data)) if isinstance(data, list) else data
        if isinstance(entries, dict) and part in entries:
            path, data = (*path, part), entries[part]
    cause = _cause(detail)
    if detail["type"] == "missing":
        return (*path, detail["loc"][-1]), None
    return ((*path, cause.at) if isinstance(cause, ConflictError) else path), data


def _cause(detail: ErrorDetails) -> object:
    return detail.get("ctx", {}).get("error")


def _message(detail: ErrorDetails, found: object, model: type[BaseModel]) -> str:
    special = SPECIAL.get(detail["type"])
    if special:
        return special(detail, model)
    cause = _cause(detail)
    if isinstance(cause, ConflictError):
        return str(cause)
    message = str(cause) if cause else _expected(detail, found)
    # What the file has, not what it was turned into: "90s", not 90.0.
    return f"{message}, got {_shown(detail, found)}" if message.startswith("expected") else message


def _expected(detail: ErrorDetails, found: object) -> str:
    limits = {
        name: format_duration(limit) if isinstance(found, str) and not found.isdigit() else f"{limit:g}"
        for name, limit in detail.get("ctx", {}).items()
        if isinstance(limit, int | float)
    }
    return EXPECTED.get(detail["type"], detail["msg"]).format_map(limits)


def _shown(detail: ErrorDetails, found: object) -> str:
    key = detail["loc"][-1] == "[key]"
    return shown(detail["input"] if key or isinstance(found, dict | list) else found)


def _unknown_key(detail: ErrorDetails, model: type[BaseModel]) -> str:
    return f"unknown key{nearest(str(detail['loc'][-1]), known_keys(model, detail['loc'][:-1]))}"


def _missing(_detail: ErrorDetails, _model: type[BaseModel]) -> str:
    return "required key is missing — add it"


def _not_text(detail: ErrorDetails, _model: type[BaseModel]) -> str:
    hint = " — put it in quotes" if isinstance(detail["input"], bool | int | float) else ""
    return f"expected text, got {shown(detail['input'])}{hint}"


def _choice(detail: ErrorDetails, _model: type[BaseModel]) -> str:
    choice = re.findall(r"'([^']*)'", detail.get("ctx", {})["expected"])
    hint = nearest(str(detail["input"]), choice)
    expected = f"expected one of {', '.join(choice)}, got {shown(detail['input'])}"
    return expected + hint if "did you mean" in hint else expected


def _smoke_kind(detail: ErrorDetails, _model: type[BaseModel]) -> str:
    keys = detail["input"] if isinstance(detail["input"], dict) else {}
    hints = (nearest(str(key), KINDS) for key in keys)
    return detail["msg"] + next((hint for hint in hints if "did you mean" in hint), "")


SPECIAL: dict[str, Callable[[ErrorDetails, type[BaseModel]], str]] = {
    "extra_forbidden": _unknown_key,
    "string_type": _not_text,
    "too_short": lambda _detail, _model: "expected at least one entry, got none",
    "missing": _missing,
    "literal_error": _choice,
    "smoke_kind": _smoke_kind,
}


def known_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """List the keys that are valid at a place, which is given as pydantic's location of a mapping."""
    models = [model]
    for part in location:
        models = _step(models, part)
    return [field.alias or name for found in models for name, field in found.model_fields.items()]


def _step(models: list[type[BaseModel]], part: int | str) -> list[type[BaseModel]]:
    """Go one part of a location further: into a field, or to the kind of a union; keys of a dict stay."""
    named = [found for found in models if found.__name__ == part]
    if named:
        return named
    for found in models:
        for name, field in found.model_fields.items():
            if part == (field.alias or name):
                return list(_models_in(field.annotation))
    return models


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
