"""Docker Compose command lines for one project."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.kernel.argv import Argv, name, variable


@dataclass(frozen=True)
class ComposeProject:
    """One application as compose knows it; every command is built from it.

    Options are written `--option=value`: a value can then never be taken for an option.

    Attributes:
        name: The project's name, part of every container's name.
        directory: The folder that relative paths in the compose files start from.
        env_file: The env file that fills in variables, None for none at all.
        files: The compose files, in the order they are merged.
        profiles: The profiles that are started.
    """

    name: str
    directory: str
    env_file: str | None = None
    files: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()

    def argv(self, *arguments: str) -> Argv:
        """Return a compose command on the project.

        Args:
            arguments: The sub-command and its arguments.
        """
        return (
            "docker",
            "compose",
            "--ansi=never",
            "--progress=plain",
            f"--project-name={self.name}",
            f"--project-directory={self.directory}",
            # Without one compose reads `.env` of the project directory, which no release declared.
            f"--env-file={self.env_file or '/dev/null'}",
            *(f"--file={file}" for file in self.files),
            *(f"--profile={profile}" for profile in self.profiles),
            *arguments,
        )

    def shown(self, *arguments: str) -> str:
        """Return a compose command on the project as a person types it on the host."""
        return shlex.join(self.argv(*arguments))

    def config_json(self) -> Argv:
        """Print the merged configuration, variables filled in, as JSON."""
        return self.argv("config", "--format=json")

    def pull(self, *services: str) -> Argv:
        """Pull the images that are not on the host, of all services of the profiles or of those named."""
        return self.argv("pull", "--policy=missing", *_services(services))

    def create(self) -> Argv:
        """Make the containers that are not there as described, and start none; remove those of no service any more.

        `leaves_alone` reads what it says.
        """
        return self.argv("up", "--no-start", "--no-build", "--pull=never", "--remove-orphans")

    def up(
        self,
        *services: str,
        no_deps: bool = False,
        remove_orphans: bool = True,
        recreate: bool = True,
    ) -> Argv:
        """Start what does not run as described. Nothing is built or pulled: that was done before.

        Args:
            services: The services; all of the profiles where none is named.
            no_deps: Leave the services they depend on alone. What it makes has another hash of its description in
                Compose before 2.29.3, and would be made anew by the next `up`; so only with `recreate=False`.
            remove_orphans: Remove containers of services the project no longer has.
            recreate: Make containers anew that are not as described; False starts them as they are.
        """
        options = ["--detach", "--no-build", "--pull=never"]
        if no_deps:
            options.append("--no-deps")
        if remove_orphans:
            options.append("--remove-orphans")
        if not recreate:
            options.append("--no-recreate")
        return self.argv("up", *options, *_services(services))

    def run_once(
        self,
        service: str,
        command: tuple[str, ...],
        *,
        name: str,
        no_deps: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> Argv:
        """Run a command in a container of its own, removed when it ends.

        Args:
            service: The service whose image and settings it has.
            command: The command; the service's own where it is empty.
            name: The container's name, by which it is found again.
            no_deps: Do not start the services it depends on.
            env: Variables added to its environment; no secrets.
        """
        variables = (f"--env={variable(key)}={value}" for key, value in (env or {}).items())
        return self.argv(
            "run",
            "--rm",
            "--no-TTY",
            "--quiet-pull",
            f"--name={_name(name, 'container')}",
            *(("--no-deps",) if no_deps else ()),
            *variables,
            *_services((service,)),
            *command,
        )

    def stop(self, *services: str) -> Argv:
        """Stop services; their containers and volumes stay."""
        return self.argv("stop", *_services(services))


_name = name


def _services(services: tuple[str, ...]) -> Argv:
    return tuple(_name(service, "service") for service in services)


_WARNING = re.compile(r'time="[^"]*" level=warning ')
_CONTAINER = re.compile(r"Container (?P<name>\S+)\s+(?P<what>\S+)")


_LACKING = re.compile(r"required variable (?P<name>[A-Za-z_][A-Za-z0-9_]*) is missing a value")


def complaint(said: str) -> str:
    """Say why compose does not take a configuration on a host, in words that hold no value of the host.

    Compose repeats what it does not take, and that may be a secret of the env file which a commit put in the place of
    a number. Only the first variable is named: whatever is named after it may be such a value.
    """
    lacking = _LACKING.search(said)
    if lacking:
        return f"required variable {lacking['name']} is missing a value"
    return "it does not take the values of the env file there; its message may contain them and is not shown"


def leaves_alone(said: str, containers: Collection[str], others: Collection[str]) -> bool:
    """Say whether compose left containers as they were, by what it said when it made those that were missing.

    Args:
        containers: The names of the containers; it must say of each that it is running, and nothing else.
        others: The names of those it may have made anew. Whatever else it speaks of, such as a network or a
            container that was not there before, means that it did not leave things as they were.

    Returns:
        True when it left them alone.
    """
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    found = [_CONTAINER.fullmatch(line) for line in lines if not _WARNING.match(line)]
    known = [one.groups() for one in found if one and one["name"] not in others]
    return all(found) and set(known) == {(name, "Running") for name in containers} != set()


def images_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the image of every service that has one.

    Args:
        config: What `config --format=json` printed, parsed.
    """
    services = (config.get("services") or {}).items()
    return {str(name): str(service["image"]) for name, service in services if service.get("image")}


def parse_config(text: str) -> dict[str, Any]:
    """Read the configuration that `config --format=json` printed.

    Raises:
        ValueError: It is not a JSON object.
    """
    config = json.loads(text)
    if not isinstance(config, dict):
        raise TypeError("an object was expected")
    return config
