"""Stand-ins for a host's env file: compose reads exactly what was written, and none is a setting."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest

from tasks.host.compose import ComposeProject
from tasks.host.stand_ins import env_text, is_setting

HARD = [
    "",
    "a'b$c",
    '"',
    "\\n",
    'it\'s "$q"\n#x',
    "\\'",
    "'",
    "a\\",
    "'\\",
    "$(id)",
    "${FOO}",
    "'${FOO}",
    "a\rb",
    "'\r",
]
HARD += [" a ", "'a\\$b", "\\\\'", "# note", "a #b", "a=b", "x\ny", "é 🙂", "`id`", "\t", "$$", "'$$", "'\n'"]


def test_compose_reads_the_values_as_they_are(tmp_path: Path) -> None:
    chosen = random.Random(19)
    made = ["".join(chosen.choices("ab1 $${}'\"\\#=:\n\t`!%é,;|&()~-?+/.", k=9)) for _ in range(300)]
    values = {f"KEY{number}": value for number, value in enumerate([*HARD, *made])} | {"A.b-c": "1"}
    (tmp_path / "values").write_bytes(env_text(values).encode())
    taken = "".join(f'      {key}: "${{{key}}}"\n' for key in values if key != "A.b-c")
    (tmp_path / "compose.yaml").write_text(f"services:\n  a:\n    image: x\n    environment:\n{taken}")
    project = ComposeProject(
        "x", str(tmp_path), env_file=str(tmp_path / "values"), files=(str(tmp_path / "compose.yaml"),)
    )
    done = subprocess.run(project.config_json(), check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)["services"]["a"]["environment"]
    assert {key: value.replace("$$", "$") for key, value in found.items()} == {
        key: value for key, value in values.items() if key != "A.b-c"
    }


@pytest.mark.parametrize(
    "name",
    [
        *(
            "PATH",
            "HOME",
            "LD_PRELOAD",
            "LD_AUDIT",
            "DOCKER_CONFIG",
            "DOCKER_HOST",
            "DOCKER_CLI_PLUGIN_EXTRA_DIRS",
        ),
        *(
            "COMPOSE_FILE",
            "COMPOSE_ENV_FILES",
            "COMPOSE_EXPERIMENTAL_OCI_REMOTE",
            "BUILDX_CONFIG",
            "BUILDX_BAKE_FILE",
        ),
        *(
            "GIT_SSH_COMMAND",
            "GIT_CONFIG_COUNT",
            "SSH_AUTH_SOCK",
            "http_proxy",
            "HTTPS_PROXY",
            "SSL_CERT_FILE",
        ),
        *("PWD", "LD_LIBRARY_PATH", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_TRACES_EXPORTER"),
        *("OTEL_EXPORTER_OTLP_ENDPOINT", "GODEBUG", "XDG_CONFIG_HOME", "BUILDKIT_HOST"),
    ],
)
def test_what_programs_take_for_a_setting_is_known(name: str) -> None:
    assert is_setting(name)


@pytest.mark.parametrize(
    "name",
    [
        "DOCKER_IMAGE_BACKEND",
        "DOCKER_TAG",
        "GIT_COMMIT",
        "GIT_SHA",
        "SSH_PORT",
        "HTTP_PORT",
        "USER",
        "COMPOSE_PROFILES",
        "LD_SDK_KEY",
        "OTEL_COLLECTOR_PORT_GRPC",
        "OTEL_COLLECTOR_CONFIG",
    ],
)
def test_applications_keep_their_own_names(name: str) -> None:
    assert not is_setting(name)
