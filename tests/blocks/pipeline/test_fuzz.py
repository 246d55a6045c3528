"""Whatever the file holds: a pipeline, or a PipelineError with a line for each problem. Nothing else."""

from __future__ import annotations

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blocks.pipeline import Pipeline, PipelineError, load_pipeline
from tests.blocks.pipeline.texts import FULL, SMALLEST

WORDS = sorted(set(FULL.replace(":", " ").replace(",", " ").split()))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(WORDS)
    | st.sampled_from(["-x", "../x", "\x00", "1e999", "30m", "\ud800", "<<", "*a", "!x"])
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


def loads_or_tells(text: str) -> None:
    try:
        pipeline, told = load_pipeline(text), None
    except PipelineError as error:
        pipeline, told = None, error
    if told is not None:
        lines = str(told).splitlines()
        assert len(lines) == len(told.problems) > 0
        assert all(line.startswith("pipeline.yaml:") for line in lines)
        assert str(told).encode()
    if pipeline is not None:
        assert Pipeline.from_json(pipeline.to_json()) == pipeline
        for name in pipeline.names:
            assert pipeline.describe(name).environment == name
            assert len(pipeline.policy(name).checksum) == 64


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=200))
@example("%YAML " + "9" * 5000 + ".1\n---\na: 1")
@example('"\\UFFFFFFFF"')
@example("&a [*a]")
@example("? {a: 1}\n: 2")
@example("a: !<tag:yaml.org,2002:str> {}")
def test_any_text(text: str) -> None:
    loads_or_tells(text)


@settings(deadline=None, max_examples=50)
@given(st.text(alphabet="abc:-?&*!|>'\"%@`{}[],#\n\t <0123.~\\", max_size=120))
def test_text_of_yaml_characters(text: str) -> None:
    loads_or_tells(text)


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_a_pipeline_with_a_piece_replaced(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([FULL, SMALLEST]))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    piece = data.draw(st.text(max_size=20) | st.sampled_from(WORDS))
    loads_or_tells(text[:start] + piece + text[end:])


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_a_pipeline_with_a_value_replaced(data: st.DataObject) -> None:
    tree = yaml.safe_load(FULL)
    node, parent = tree, None
    while isinstance(node, dict | list) and node and data.draw(st.integers(0, 5)):
        parent = node
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        node = node[key]
    if parent is not None:
        parent[key] = data.draw(TREES)
    loads_or_tells(yaml.safe_dump(tree, allow_unicode=True, sort_keys=False))


@settings(deadline=None, max_examples=50)
@given(TREES)
def test_any_data(tree: object) -> None:
    loads_or_tells(yaml.safe_dump(tree, allow_unicode=True))
