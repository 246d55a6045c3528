"""Reads a pipeline.yaml and tells everything that is wrong with it."""

from __future__ import annotations

from dataclasses import replace

from pydantic import ValidationError

from blocks.pipeline.explain import explain
from blocks.pipeline.model import Pipeline
from blocks.pipeline.problems import PipelineError, Problem
from blocks.pipeline.references import find_conflicts
from blocks.pipeline.source import Document, read_document

MOST_PROBLEMS = 100


def load_pipeline(text: str, file: str = "pipeline.yaml") -> Pipeline:
    """Read a pipeline.

    Raises:
        PipelineError: It is not valid; the text lists every problem with its line.
    """
    document = read_document(text)
    pipeline, problems = _judge(document)
    if pipeline is None or problems:
        raise PipelineError([replace(problem, file=file) for problem in _ordered(problems)])
    return pipeline


def _judge(document: Document) -> tuple[Pipeline | None, list[Problem]]:
    if not isinstance(document.data, dict):
        expected = Problem((), "expected the keys of a pipeline, such as pipeline: and environments:", 1)
        return None, document.problems or [expected]
    problems = [*document.problems]
    pipeline = None
    try:
        pipeline = Pipeline.model_validate(document.data)
    except ValidationError as error:
        problems += explain(error, Pipeline, document)
    told = {problem.path for problem in problems}
    for path, message in find_conflicts(document.data):
        if path not in told:
            problems.append(Problem(path, message, document.line_of(path)))
    return pipeline, problems


def _ordered(problems: list[Problem]) -> list[Problem]:
    ordered = sorted(dict.fromkeys(problems), key=lambda problem: problem.line or 0)
    rest = len(ordered) - MOST_PROBLEMS
    if rest <= 0:
        return ordered
    return [*ordered[:MOST_PROBLEMS], Problem((), f"and {rest} more", ordered[MOST_PROBLEMS].line)]
