"""How a commit describes itself: its compose files, the variables and keys they need."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from blocks.pipeline import COMPOSE_DEFAULTS
from flows.domain.compose.reach import check_reach
from flows.domain.compose.text import fixed_images, named_files, required_variables
from tasks.host.env_file import parse_env, required_keys
from tasks.images.sources import DescribedCommit
from tasks.kernel.errors import RefusedError

if TYPE_CHECKING:
    from blocks.pipeline import ReleaseDescription
    from tasks.git.mirror import GitMirror


def compose_files_of(named: tuple[str, ...], tracked: frozenset[str]) -> tuple[str, ...]:
    """Return the compose files of a commit.

    Args:
        named: What the pipeline names; empty for compose's own default names.
        tracked: Every path of the commit.
    """
    found = named or next(((name,) for name in COMPOSE_DEFAULTS if name in tracked), ())
    if not found:
        raise RefusedError(
            f"the commit has none of {', '.join(COMPOSE_DEFAULTS)}",
            "name its files under compose in pipeline.yaml",
        )
    missing = [name for name in found if name not in tracked]
    if missing:
        raise RefusedError(
            f"the commit has no {', '.join(missing)}, named under compose in pipeline.yaml",
            "correct the name there",
        )
    return found


def describe_commit(mirror: GitMirror, description: ReleaseDescription, sha: str) -> DescribedCommit:
    """Read from git how a commit describes itself."""
    tracked = mirror.tracked(sha)
    files = compose_files_of(description.compose, tracked)
    texts = {name: _text(mirror, sha, name) for name in files}
    required, example = _example(mirror, description, sha)
    named = named_files(files, lambda path: mirror.read_file(sha, path))
    # A number satisfies a port as well as a name.
    variables = dict.fromkeys(required_variables(texts), "1")
    variables.update({key: value or "1" for key, value in example.items()})
    return DescribedCommit(
        sha=sha,
        compose_files=files,
        texts=texts,
        variables=variables,
        required=required,
        env_files=tuple(path for path in named.env_files if path not in tracked),
        tracked=tracked,
        fixed_images=fixed_images(texts),
        # What runs already is only described.
        check=partial(check_reach, files, tracked=tracked, variables=variables),
    )


def _text(mirror: GitMirror, sha: str, name: str) -> str:
    text = mirror.read_file(sha, name)
    if text is None:
        raise RefusedError(
            f"{name} is a link that leads out of the commit, or nowhere", "commit the compose file itself"
        )
    return text


def _example(
    mirror: GitMirror, description: ReleaseDescription, sha: str
) -> tuple[tuple[str, ...], dict[str, str]]:
    text = mirror.read_file(sha, description.env_example)
    if text is None:
        if description.env_example_required:
            raise RefusedError(
                f"the commit has no {description.env_example}, which pipeline.yaml names",
                "add the file, or correct env_example",
            )
        return (), {}
    return required_keys(text), parse_env(text)
