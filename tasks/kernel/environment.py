"""The variables that programs on the control machine inherit: a short list, never all that it has.

Docker, git and SSH must find their programs, the operator's own settings of them, and the way out of the network.
The control plane's addresses, its login, tokens, and whatever else somebody exported stay with the control plane.
"""

from __future__ import annotations

from collections.abc import Mapping

# What any program needs: where programs and temporary files are, who the user is, which language and time zone.
_PROGRAMS = frozenset({"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ"})
# Certificates of a network that puts its own in between. They are paths.
CERTIFICATES = frozenset({"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"})
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
# Programs read both spellings.
PROXIES = frozenset({*_PROXIES, *(name.lower() for name in _PROXIES)})
# Which engine and builder the operator chose, how they are reached, and where the operator's settings of them are.
_DOCKER = frozenset(
    {
        "DOCKER_API_VERSION",
        "DOCKER_CERT_PATH",
        "DOCKER_CONFIG",
        "DOCKER_CONTEXT",
        "DOCKER_DEFAULT_PLATFORM",
        "DOCKER_HOST",
        "DOCKER_TLS",
        "DOCKER_TLS_VERIFY",
        "BUILDKIT_HOST",
        "BUILDX_BUILDER",
        "BUILDX_CONFIG",
        "SSH_AUTH_SOCK",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
    }
)
# Where the operator's settings of git are. Nothing that binds git to another repository, as one of its hooks sets it.
_GIT = frozenset(
    {"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH"}
)
INHERITED = _PROGRAMS | CERTIFICATES | PROXIES | _DOCKER | _GIT


def child_environment(own: Mapping[str, str]) -> dict[str, str]:
    """Return what programs inherit."""
    return {name: own[name] for name in INHERITED if name in own}


def reading_environment(own: Mapping[str, str], folder: str) -> dict[str, str]:
    """Return what compose gets to read a commit with: a commit may name each of these in its compose files."""
    settings = own.get("DOCKER_CONFIG") or f"{own.get('HOME', '')}/.docker"
    return {
        "PATH": own.get("PATH", ""),
        # Compose may be a plugin that only the user has.
        "DOCKER_CONFIG": settings,
        "HOME": "/nonexistent",
        # Newer versions of compose make it of the folder they run in, others take whatever the commit says it is.
        "PWD": folder,
        # A compose file elsewhere is none of the commit's.
        "COMPOSE_EXPERIMENTAL_GIT_REMOTE": "false",
        "COMPOSE_EXPERIMENTAL_OCI_REMOTE": "false",
    }


def smoke_environment(own: Mapping[str, str], folder: str) -> dict[str, str]:
    """Return all that a smoke command gets; `folder` is empty and its own."""
    kept = {name: own[name] for name in ("PATH", "LANG", "TZ", *CERTIFICATES) if name in own}
    # A proxy may be the only way to the application; one with a login is the control plane's.
    ways = {name: own[name] for name in PROXIES if name in own and "@" not in own[name]}
    return {"LANG": "C.UTF-8", **kept, **ways, "HOME": folder, "TMPDIR": folder}
