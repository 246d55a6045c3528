"""The section `watch`: what it takes, what environments inherit, and that old checksums hold."""

from __future__ import annotations

import pytest

from blocks.pipeline import PipelineError, load_pipeline
from blocks.pipeline.watch import LogRules, Watch
from tests.blocks.pipeline.texts import FULL, SMALLEST


def test_nobody_watches_unless_asked() -> None:
    assert load_pipeline(SMALLEST).policy("prod").watch is None


def test_an_empty_section_has_sensible_defaults() -> None:
    watch = load_pipeline(f"{SMALLEST}watch: {{}}\n").policy("prod").watch
    assert watch == Watch(window=600, every=60, smoke=True, restarts=0, logs=LogRules(), rollback=False)
    assert LogRules() == LogRules(watch=(), ignore=(), new_errors=0, rate=3.0)


def test_an_environment_inherits_replaces_or_switches_it_off() -> None:
    pipeline = load_pipeline(FULL)
    staging = pipeline.policy("staging").watch
    assert staging is not None
    assert (staging.window, staging.restarts) == (300, 1)
    assert staging.logs == LogRules(watch=("oom",), ignore=("a", "b"), new_errors=1, rate=None)
    assert pipeline.policy("feature").watch is None
    own = load_pipeline(f"{SMALLEST}    watch: {{window: 1h, logs: null}}\nwatch: {{window: 5m}}\n")
    assert own.policy("prod").watch == Watch(window=3600, logs=None)


def test_without_a_watch_the_checksum_is_the_one_of_before_there_were_any() -> None:
    old = "38d54e8efcc42afaa6e3d82450341244058990216a9d673875657cb1d0bf2cd7"
    assert load_pipeline(SMALLEST).policy("prod").checksum == old
    assert load_pipeline(f"{SMALLEST}watch: {{}}\n").policy("prod").checksum != old
    one, other = (
        load_pipeline(f"{SMALLEST}watch: {{window: {n}m}}\n").policy("prod").checksum for n in (1, 2)
    )
    assert one != other


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("watch: {window: 25h}", "watch.window: expected at most"),
        ("watch: {every: 0s}", "watch.every: expected at least 1"),
        ("watch: {restarts: -1}", "watch.restarts: expected at least 0"),
        ("watch: {logs: {watch: '**'}}", "watch.logs.watch: expected a piece of a log line"),
        ("watch: {logs: {ignore: ['']}}", "watch.logs.ignore[0]: expected a piece of a log line"),
        ("watch: {logs: {rate: 0.5}}", "watch.logs.rate: expected at least 1"),
        ("watch: {rolback: true}", 'watch.rolback: unknown key — did you mean "rollback"?'),
    ],
)
def test_mistakes_are_told(line: str, said: str) -> None:
    with pytest.raises(PipelineError) as error:
        load_pipeline(f"{SMALLEST}{line}\n")
    assert said in str(error.value)
