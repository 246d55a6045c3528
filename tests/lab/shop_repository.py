"""A git repository with the example shop in it, as a team would have: a working clone and a bare origin."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.lab.repository import git

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SHOP = EXAMPLES / "shop"
HISTORY = EXAMPLES / "shop-history"

AUTHOR_NAME = "Dora Developer"
AUTHOR_EMAIL = "dora@example.com"

# What an application's folder may hold on a developer's machine, and no commit should.
UNTRACKED = shutil.ignore_patterns("__pycache__", ".*_cache", ".venv", ".env", ".env.[!e]*")


@dataclass(frozen=True)
class ShopRepository:
    """The shop's repository; every change is pushed to the origin at once.

    Attributes:
        work: The clone the developer works in.
        origin: The bare repository everybody else fetches from.
    """

    work: Path
    origin: Path

    @classmethod
    def create(cls, path: Path, *, aside: Iterable[str] = ()) -> ShopRepository:
        """Make clone and origin below a folder, with the shop's first version on `main`.

        Args:
            path: The folder; `work` and `origin.git` appear in it.
            aside: Services that do not run, because they belong to a profile nobody asks for.

        Returns:
            The repository.
        """
        repository = cls(work=path / "work", origin=path / "origin.git")
        path.mkdir(parents=True, exist_ok=True)
        shutil.copytree(SHOP, repository.work, ignore=UNTRACKED)
        for service in aside:
            repository._set_aside(service)
        git(path, "init", "--quiet", "--bare", "--initial-branch=main", str(repository.origin))
        git(repository.work, "init", "--quiet", "--initial-branch=main")
        git(repository.work, "config", "user.name", AUTHOR_NAME)
        git(repository.work, "config", "user.email", AUTHOR_EMAIL)
        git(repository.work, "remote", "add", "origin", str(repository.origin))
        repository._commit("The shop: products, orders, a worker and a scheduler")
        return repository

    @property
    def url(self) -> str:
        """What to clone: the path of the bare origin."""
        return str(self.origin)

    @property
    def head(self) -> str:
        """The full id of the commit that is checked out."""
        return git(self.work, "rev-parse", "HEAD")

    @property
    def current_branch(self) -> str:
        """The branch that is checked out."""
        return git(self.work, "branch", "--show-current")

    def advance(self, version: str) -> str:
        """Apply the patch of a version to the current branch, commit and push it.

        Args:
            version: `v2`, `v3` or `v4`; each goes on top of the one before.

        Returns:
            The new commit's full id.
        """
        patch = HISTORY / f"{version}.patch"
        git(self.work, "apply", "--index", str(patch))
        return self._commit(patch.read_text(encoding="utf-8").partition("\ndiff --git ")[0].strip())

    def commit_file(self, path: str, text: str, message: str) -> str:
        """Write one file, commit it on the current branch and push it.

        Args:
            path: The file, relative to the repository.
            text: Its whole new content.
            message: The commit's message.

        Returns:
            The new commit's full id.
        """
        file = self.work / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return self._commit(message)

    def add_to_environment(self, name: str, lines: str, message: str) -> str:
        """Commit further lines of an environment of pipeline.yaml; return the new commit's full id."""
        text = (self.work / "pipeline.yaml").read_text()
        last = f"    env_file: [.env.{name}, .env]\n"
        assert text.count(last) == 1
        return self.commit_file("pipeline.yaml", text.replace(last, last + lines), message)

    def commit_all(self, message: str) -> str:
        """Commit whatever was changed in the clone, and push it.

        Args:
            message: The commit's message.

        Returns:
            The new commit's full id.
        """
        return self._commit(message)

    def tag(self, name: str) -> None:
        """Tag the current commit and push the tag."""
        git(self.work, "tag", "--annotate", "--message", name, name)
        git(self.work, "push", "--quiet", "origin", f"refs/tags/{name}")

    def branch(self, name: str) -> None:
        """Start a branch at the current commit, check it out and push it."""
        git(self.work, "switch", "--quiet", "--create", name)
        self._push()

    def switch(self, name: str) -> None:
        """Check out a branch that exists."""
        git(self.work, "switch", "--quiet", name)

    def merge(self, name: str) -> str:
        """Merge a branch into the current one with a merge commit, as GitHub does, and push.

        Args:
            name: The branch to merge.

        Returns:
            The merge commit's full id.
        """
        git(self.work, "merge", "--quiet", "--no-ff", "--message", f"Merge {name}", name)
        self._push()
        return self.head

    def _set_aside(self, service: str) -> None:
        compose = self.work / "compose.yaml"
        head, found, rest = compose.read_text(encoding="utf-8").partition(f"\n  {service}:\n")
        assert found, f"the shop has no service {service}"
        compose.write_text(f"{head}{found}    profiles: [whole]\n{rest}", encoding="utf-8")

    def _commit(self, message: str) -> str:
        git(self.work, "add", "--all")
        git(self.work, "commit", "--quiet", "--message", message)
        self._push()
        return self.head

    def _push(self) -> None:
        git(self.work, "push", "--quiet", "--set-upstream", "origin", "HEAD")


def database_password(environment: str) -> str:
    """Return the database password of an environment's env file; its characters trip careless quoting."""
    return f"db/{environment}+7Q%4f=e9:w@K"


def secret_key(environment: str) -> str:
    """Return the signing key of an environment's env file."""
    return f"sign-{environment}-c1b6a0d57e"


def env_text(environment: str, port: int = 8080) -> str:
    """Return the content of a valid env file for the shop.

    Args:
        environment: `feature`, `staging`, `prod` or any other name; the secrets differ between environments.
        port: The port the shop is published on.

    Returns:
        Lines of KEY=value with every key of the shop's `.env.example`.
    """
    values = {
        "SHOP_PORT": str(port),
        "SHOP_ENVIRONMENT": environment,
        "SHOP_DB_PASSWORD": database_password(environment),
        "SHOP_SECRET_KEY": secret_key(environment),
        "SHOP_CURRENCY": "EUR",
        "SHOP_ORDER_TTL_SECONDS": "900",
        "SHOP_LOG_LEVEL": "info",
    }
    return "".join(f"{key}={value}\n" for key, value in values.items())
