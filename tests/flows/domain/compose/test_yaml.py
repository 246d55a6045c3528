"""YAML that programs may read in different ways is refused; what all read alike passes."""

from __future__ import annotations

import pytest

from flows.domain.compose.yaml import check_yaml
from tasks.kernel.errors import RefusedError, TerminalError


@pytest.mark.parametrize(
    "text",
    [
        "",
        "services: {web: {image: 'a:1', ports: [8080], cpus: 0.5, tty: yes, x: null, since: 2026-12-01}}",
        "a: &a {k: v}\nb: {<<: *a, c: 1}",
        "a: !reset null\nb: !override [1]\nc: !override {d: e}",
        "include:\n  - inc.yaml\n  - {path: '1', env_file: .env}",
        "yes: 1\n'on': 2",
    ],
)
def test_what_all_read_alike_passes(text: str) -> None:
    check_yaml("compose.yaml", text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: !!binary aGk=\nc: !env X", 3),
        ("a: !!python/object:os.system x", 1),
        ("a: !!set {b}", 1),
        ("a: !!omap [b: 1]", 1),
        ("a: 1\nb: 2\na: 3", 3),
        ("a: &a {k: v}\nb:\n  ? [x]\n  : 1", 3),
        ("a: {!!str <<: 1}", 1),
        ("a: {!!merge b: 1}", 1),
        ("a: {!!int 'x': 1}", 1),
        ("include:\n  - !override inc.yaml", 2),
        ("include: [1]", 1),
        ("include: [0o17]", 1),
        ("include: [{path: a, project_directory: 2026-12-01}]", 1),
        ("x: &x {include: [yes]}\n<<: *x", 1),
    ],
)
def test_what_is_read_in_different_ways_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(RefusedError, match=f"compose.yaml: line {line} is YAML that programs read"):
        check_yaml("compose.yaml", text)


@pytest.mark.parametrize("text", ["a: [", "[" * 5000, "a: \x00"])
def test_what_is_no_yaml_is_told_without_its_text(text: str) -> None:
    with pytest.raises(TerminalError, match="^compose.yaml is not valid YAML — fix the file$"):
        check_yaml("compose.yaml", text)


def test_a_file_that_multiplies_itself_is_read_once() -> None:
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))]
    check_yaml("compose.yaml", "\n".join(lines))
