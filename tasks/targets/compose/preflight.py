"""What must be true of a host before anything on it is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.host.compose import complaint
from tasks.host.scripts import EXIT_OTHER, compared
from tasks.kernel.archive import differing, digest_of, list_of, named
from tasks.kernel.errors import RefusedError
from tasks.targets.compose.facts import read_readiness

if TYPE_CHECKING:
    from blocks.values.facts import Readiness
    from blocks.values.manifests import Manifest
    from tasks.host.app_host import AppHost

OLDEST_COMPOSE = (2, 24)
LEAST_FREE_BYTES = 512 * 1024 * 1024


def version_of(text: str) -> tuple[int, ...]:
    """Return a version's leading numbers: `v2.26.1-ds1` becomes `(2, 26, 1)`."""
    numbers: list[int] = []
    for part in text.lstrip("v").split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)


def problems_of(
    facts: Readiness, *, host: str, pipeline: str, ports: frozenset[int], needed_bytes: int
) -> tuple[str, ...]:
    """Say what stands in a promotion's way on a host.

    Args:
        pipeline: The pipeline's name; ports its own containers hold are free to it.

    Returns:
        One line per problem, with how to fix it; empty when the host is ready.
    """
    found: list[str] = []
    if not facts.engine:
        found.append(f"the Docker engine of {host} does not answer ({facts.problem[:160]}): start it")
    if version_of(facts.compose) < OLDEST_COMPOSE:
        has = facts.compose or "none"
        found.append(f"{host} has Docker Compose {has}: install 2.24 or newer")
    if not facts.has_flock:
        found.append(f"{host} has no flock: install util-linux")
    for place, free in (("the application", facts.free_bytes), ("Docker", facts.docker_free_bytes)):
        if free is not None and free < needed_bytes:
            found.append(
                f"the disk of {host} has {free // 2**20} MiB free for {place}, "
                f"{needed_bytes // 2**20} MiB are needed: free some space"
            )
    for port in sorted(ports & facts.listening):
        owner = facts.owners.get(port)
        if owner != pipeline:
            taken = f"port {port} of {host} is taken by"
            if owner:
                found.append(f"{taken} the compose project {owner}: stop it, or publish another port")
            else:
                # An engine that was killed while it replaced containers keeps their ports until it starts once more.
                found.append(
                    f"{taken} another program: stop it, publish another port, or, where only docker-proxy has it, "
                    "restart the Docker engine"
                )
    return tuple(found)


def check_host(app: AppHost, *, ports: frozenset[int], needed_bytes: int) -> str:
    """Check a host before the first change: engine, compose, disk, ports.

    Raises:
        RefusedError: Something is not as it must be; the message lists everything.
    """
    facts = read_readiness(app.host, app.directory)
    problems = problems_of(
        facts, host=app.name, pipeline=app.pipeline, ports=ports, needed_bytes=needed_bytes + LEAST_FREE_BYTES
    )
    if problems:
        raise RefusedError(f"preflight: {'; '.join(problems)}", "then start the promotion again")
    return f"engine {facts.engine}, compose {facts.compose}"


def check_bundle(app: AppHost, manifest: Manifest, *, kept: bool) -> None:
    """Have the host's own compose read a release's bundle with the host's env file.

    Args:
        kept: True for a bundle that lies there since an earlier promotion, whose files are compared in the same round
            trip; one that was put there a moment ago was compared then.

    Raises:
        RefusedError: Compose refuses the configuration, its words are not shown; or a file of the bundle is not
            what was put there, it is named.
    """
    project = app.project(manifest, current=False)
    argv, listed = project.argv("config", "--quiet"), None
    files = lasting_files(manifest) if kept else {}
    if files:
        argv, listed = compared(project.directory, digest_of(files), argv), list_of(files)
    result = app.change(argv, seconds=app.policy.timeouts.preflight, stdin=listed)
    if kept and result.exit_code == EXIT_OTHER:
        raise _changed(app, manifest, differing(sorted(files), files, result.stdout.split()))
    if not result.ok:
        raise RefusedError(
            f"preflight: compose on {app.name} refuses the configuration: {complaint(result.stderr)}",
            "correct the compose files or the env file there, then promote again; "
            f"to see compose's own message there: `{project.shown('config', '--quiet')}`",
        )


def lasting_files(manifest: Manifest) -> dict[str, str]:
    """Return the files of a bundle that are still what was put there, unless somebody changed them by hand.

    Returns:
        Path → sha256, hex; without what containers may have written to, and without names that no text can hold; none
        where an earlier version of Sluice put the bundle there, which did not write down what containers may write to.
    """
    if manifest.written is None or "." in manifest.written:
        return {}
    places = tuple(f"{path}/" for path in manifest.written)
    return {
        path: checksum
        for path, checksum in manifest.checksums.items()
        if not f"{path}/".startswith(places) and "\N{REPLACEMENT CHARACTER}" not in path
    }


def _changed(app: AppHost, kept: Manifest, files: tuple[str, ...]) -> RefusedError:
    ref, environment = kept.release.commit.sha, app.policy.name
    return RefusedError(
        f"preflight: {kept.release.id} on {app.name} is not what was put there: {named(files)}",
        f"restore it, or bring it again: `prefect deployment run promote/{environment} --param ref={ref}`; "
        f"to go back to it as it is now: `sluice rollback {environment} --offline --release {kept.release.id}`",
    )
