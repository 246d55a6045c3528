"""The files and variables that compose files name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.domain.compose.text import (
    NamedFiles,
    fixed_images,
    named_files,
    parse_compose,
    required_variables,
)
from tasks.kernel.errors import TerminalError


def named(**texts: str) -> NamedFiles:
    files = {name.replace("__", "/").replace("_yml", ".yml"): text for name, text in texts.items()}
    return named_files(["compose.yml"], files.get)


def test_included_and_extended_files_are_followed_to_the_end() -> None:
    found = named(
        compose_yml="include: [inc/a.yml]\nservices: {web: {extends: {file: base/b.yml, service: x}}}",
        inc__a_yml="include:\n  - path: [../c.yml, d.yml]\n    env_file: one.env\n",
        base__b_yml="services: {x: {extends: {service: y}, env_file: b.env}, y: {extends: y}}",
        c_yml="services: {}",
    )
    assert found.compose == ("compose.yml", "base/b.yml", "inc/a.yml", "c.yml", "inc/d.yml")
    assert found.env_files == ("base/b.env", "inc/one.env")


def test_an_includes_project_directory_is_where_its_paths_start() -> None:
    found = named(
        compose_yml="include:\n  - {path: inc/a.yml, project_directory: other}\n  - {path: b.yml, "
        "project_directory: ../out}",
        inc__a_yml="services: {x: {env_file: a.env}}",
        b_yml="services: {}",
    )
    assert found.env_files == ("other/a.env",)
    assert found.outside == ("../out",)


def test_files_that_include_each_other_end() -> None:
    found = named(compose_yml="include: [a.yml]", a_yml="include: [compose.yml, a.yml]")
    assert found.compose == ("compose.yml", "a.yml")


def test_paths_of_a_file_given_with_f_start_at_the_project_directory() -> None:
    found = named_files(["deploy/compose.yml"], {"deploy/compose.yml": "services: {x: {env_file: .env}}"}.get)
    assert found.env_files == (".env",)


@pytest.mark.parametrize(
    ("env_file", "expected"),
    [
        ("a.env", ("a.env",)),
        ("[a.env, ./b.env]", ("a.env", "b.env")),
        ("[{path: a.env, required: false}]", ("a.env",)),
        ("[{path: a.env, required: false}, a.env]", ("a.env",)),
        ("[{path: a.env}, '', 3, {}]", ("a.env",)),
        ("null", ()),
        ("${WHERE:-x}.env", ("x.env",)),
    ],
)
def test_env_files_in_every_spelling(env_file: str, expected: tuple[str, ...]) -> None:
    assert named(compose_yml=f"services:\n  x:\n    env_file: {env_file}").env_files == expected


def test_what_is_not_known_to_be_inside_is_the_hosts() -> None:
    found = named(
        compose_yml="include: ['https://example.com/x.yml', 'oci://x/y']\n"
        "services: {x: {env_file: [/etc/x.env, ../x.env, .., ~/x.env, '${WHO}.env', '${WHO}.env']}}"
    )
    assert found.outside == (
        "/etc/x.env",
        "../x.env",
        "..",
        "~/x.env",
        "${WHO}.env",
        "https://example.com/x.yml",
        "oci://x/y",
    )
    assert found.env_files == ()


def test_a_service_of_nothing_names_nothing() -> None:
    assert named(compose_yml="services: {x: null, y: {extends: {file: ''}}}").compose == ("compose.yml",)
    assert named_files(["gone.yml"], lambda _: None).compose == ("gone.yml",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a:\n b: 1\n c: hunter22: [",
            "compose.yml is not valid YAML: mapping values .*, line 3 — fix the file",
        ),
        ("a: \x00", "compose.yml is not valid YAML: ReaderError"),
        ("a: !!python/object:os.system x", "compose.yml is not valid YAML"),
        ("a: 2026-13-40", "compose.yml is not valid YAML"),
        (
            "x0: &a0 {k: v}\n" + "".join(f"x{n + 1}: &a{n + 1} {{<<: [*a{n}, *a{n}]}}\n" for n in range(60)),
            "compose.yml is not valid YAML: too much is merged, line 18",
        ),
        ("- a", "compose.yml is not a compose file — it must be a mapping"),
        ("", "compose.yml is not a compose file"),
    ],
)
def test_what_is_not_a_compose_file_is_one_line(text: str, message: str) -> None:
    with pytest.raises(TerminalError, match=message) as error:
        parse_compose("compose.yml", text)
    assert "\n" not in str(error.value)
    assert "hunter22" not in str(error.value)


def test_composes_own_tags_are_read() -> None:
    text = "a: !reset null\nb: !override [1]\nc: !override {d: e}"
    assert parse_compose("c", text) == {"a": "null", "b": [1], "c": {"d": "e"}}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("${A}", ("A",)),
        ("$A and $B_2!", ("A", "B_2")),
        ("${A:?say so}", ("A",)),
        ("${A?}", ("A",)),
        ("${A} ${A:?}", ("A",)),
        ("${A:-x} ${B-} ${C:+x} ${D+x}", ()),
        ("${A:-${B:?}} ${C}", ("C",)),
        ("${A:?${B}} $C", ("A", "C")),
        ("$$A $${B} $$$C", ("C",)),
        ("${A:-{x}} ${B}", ("B",)),
        ("${A:-never closed $B", ()),
        ("a $ b ${ c", ()),
    ],
)
def test_variables(text: str, names: tuple[str, ...]) -> None:
    assert required_variables({"c.yml": f"services: {{x: {{image: '{text}'}}}}"}) == names


def test_comments_and_keys_are_not_read_and_every_file_is() -> None:
    texts = {"a.yml": "# ${NOT}\n${NEITHER}: [{x: '${ONE}'}, 3, null]", "b.yml": "x: ${TWO:?}"}
    assert required_variables(texts) == ("ONE", "TWO")


def test_a_file_that_multiplies_itself_is_read_once() -> None:
    lines = ["a0: &a0 ['${X}']", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))]
    assert required_variables({"c": "\n".join(lines)}) == ("X",)
    assert required_variables({"c": "a: &a [*a, '${Y}']"}) == ("Y",)


@given(
    st.lists(
        st.sampled_from(["${A}", "$B", "${C:?m}", "$$", "{", "}", "${", ":-", "x", "${D:-", " "]), max_size=9
    )
)
def test_only_names_that_are_there_are_found(parts: list[str]) -> None:
    text = "".join(parts)
    assert all(name in text for name in required_variables({"c": f"x: '{text}'"}))


def test_only_an_image_without_a_variable_is_the_same_everywhere() -> None:
    base = "services: {db: {image: 'postgres:17'}, web: {build: .}, x: {image: 'x:${V:-1}'}, y: {image: 'y:${V}'}}"
    assert fixed_images({"compose.yml": base}) == {"db"}
    # The file that is merged last decides.
    assert fixed_images(
        {"compose.yml": base, "prod.yml": "services: {db: {image: 'p:$V'}, x: {image: x}}"}
    ) == {"x"}


def test_an_image_that_is_never_fetched_is_the_hosts_own() -> None:
    base = "services: {own: {image: 'own:1', pull_policy: never}, db: {image: 'postgres:17', pull_policy: always}}"
    assert fixed_images({"compose.yml": base}) == {"db"}
    assert fixed_images({"compose.yml": base, "p.yml": "services: {own: {environment: {A: b}}}"}) == {"db"}
