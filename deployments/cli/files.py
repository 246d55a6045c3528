"""Commands about pipeline.yaml itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deployments.cli.options import AsJson
from deployments.cli.output import answer, print_json, say
from tasks.kernel.errors import TerminalError


def validate(
    file: Annotated[Path, typer.Argument(help="The file.", metavar="[FILE]")] = Path("pipeline.yaml"),
    *,
    as_json: AsJson = False,
) -> None:
    """Check a pipeline.yaml and print everything that is wrong with it."""
    from blocks.pipeline import PipelineError, load_pipeline
    from blocks.pipeline.problems import format_path

    text = _read(file)
    try:
        pipeline = load_pipeline(text, str(file))
    except PipelineError as error:
        if not as_json:
            raise
        problems = [
            {"file": one.file, "line": one.line, "path": format_path(one.path), "message": one.message}
            for one in error.problems
        ]
        print_json({"valid": False, "problems": problems})
        raise typer.Exit(1) from None
    line = f"{file} is valid: {pipeline.pipeline}, {' → '.join(pipeline.names)}"
    data = {"valid": True, "pipeline": pipeline.pipeline, "environments": list(pipeline.names)}
    answer(line, data, as_json=as_json)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise TerminalError(
            f"{file} cannot be read: {why}", "name the file: `sluice validate FILE`"
        ) from None


def schema() -> None:
    """Print the JSON Schema of pipeline.yaml, for editors."""
    from blocks.pipeline.schema import pipeline_schema_text

    say(pipeline_schema_text().rstrip("\n"))
