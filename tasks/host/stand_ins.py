"""The env file that stands in for a host's own while compose reads a commit: made-up values, and no settings."""

from __future__ import annotations

from collections.abc import Mapping

# Compose puts each key of its env file into its own environment, where it, the Docker client, the loader and Go look
# for settings. A commit must not set them, so these keys get no stand-in. Whole names where applications have names
# that begin alike (`DOCKER_IMAGE`, `GIT_COMMIT`, `SSH_PORT`).
_SETTINGS = frozenset(
    {
        "PATH", "HOME", "PWD", "TMPDIR", "SHELL", "ENV", "BASH_ENV", "GODEBUG", "GOTRACEBACK",
        "GOMAXPROCS", "GOGC", "GOMEMLIMIT",
        "DOCKER_API_VERSION", "DOCKER_AUTH_CONFIG", "DOCKER_BUILDKIT", "DOCKER_CERT_PATH", "DOCKER_CONFIG",
        "DOCKER_CONTEXT", "DOCKER_CUSTOM_HEADERS", "DOCKER_DEFAULT_PLATFORM", "DOCKER_HIDE_LEGACY_COMMANDS",
        "DOCKER_HOST", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_SSH_NO_PIPE",
        "GIT_ALLOW_PROTOCOL", "GIT_ASKPASS", "GIT_DIR", "GIT_EDITOR", "GIT_EXEC_PATH", "GIT_EXTERNAL_DIFF", "GIT_PAGER",
        "GIT_TEMPLATE_DIR", "GIT_WORK_TREE",
        "SSH_AGENT_PID", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "SSH_AUTH_SOCK",
        "SSL_CERT_DIR", "SSL_CERT_FILE",
    }
)  # fmt: skip
# Programs read both spellings.
_PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"})
# Not all that begins with `LD_` and `OTEL_`: applications have LD_SDK_KEY and OTEL_COLLECTOR_PORT.
_LOADER = (
    "LD_ASSUME", "LD_AUDIT", "LD_BIND", "LD_DEBUG", "LD_DYNAMIC", "LD_HWCAP", "LD_LIBRARY", "LD_ORIGIN", "LD_POINTER",
    "LD_PREFER", "LD_PRELOAD", "LD_PROFILE", "LD_SHOW", "LD_TRACE", "LD_USE_LOAD", "LD_VERBOSE", "LD_WARN",
)  # fmt: skip
_TELEMETRY = (
    "OTEL_ATTRIBUTE_", "OTEL_BLRP_", "OTEL_BSP_", "OTEL_CONFIG_FILE", "OTEL_EVENT_", "OTEL_EXPERIMENTAL_",
    "OTEL_EXPORTER_", "OTEL_GO_", "OTEL_LINK_", "OTEL_LOG", "OTEL_METRIC", "OTEL_PROPAGATORS", "OTEL_RESOURCE_",
    "OTEL_SDK_", "OTEL_SERVICE_NAME", "OTEL_SPAN_", "OTEL_TRACES_",
)  # fmt: skip
_PREFIXES = (
    *_LOADER, "DYLD_", "COMPOSE_", "BUILDX_", "BUILDKIT_", *_TELEMETRY, "XDG_", "DOCKER_CLI_", "DOCKER_CONTENT_TRUST",
    "GIT_CONFIG", "GIT_PROXY", "GIT_SSH", "GIT_SSL", "GIT_TRACE",
)  # fmt: skip
# It names profiles of the commit, which compose starts with the same file on a host.
_HARMLESS = frozenset({"COMPOSE_PROFILES"})


def is_setting(name: str) -> bool:
    """Say whether a program that reads a commit would take a variable for a setting of its own."""
    known = name in _SETTINGS or name.upper() in _PROXIES or name.startswith(_PREFIXES)
    return known and name not in _HARMLESS


def env_text(variables: Mapping[str, str]) -> str:
    """Write an env file in which compose finds exactly these values.

    Args:
        variables: Name → value; none of it is filled in or taken for something else.
    """
    return "".join(f"{name}={_quoted(value)}\n" for name, value in sorted(variables.items()))


def _quoted(value: str) -> str:
    if "'" not in value and "\\" not in value:
        return f"'{value}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r") + '"'
