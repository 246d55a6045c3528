"""PURE: what a copy needs on a host that does not keep the live database. No secret of that one gets there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.host.scripts import login, script
from tasks.kernel.argv import name

if TYPE_CHECKING:
    from tasks.database.commands.live_database import LiveDatabase
    from tasks.kernel.argv import Argv

# Gives a copy on another host roles that come by standard input: NAME SUPERUSER.
TAKE_ROLES = r"""
exec docker exec -i "$1" psql --no-psqlrc --quiet --no-password --username="$2" --dbname=template1
"""

# On a drill host, with a login to the registry: prints an image it has, or pulls one: IMAGE….
FIND_IMAGE = r"""
for image; do docker image inspect --format '{{.Id}}' "$image" 2>/dev/null && exit 0; done
for image; do
  case $image in *@*) docker pull --quiet "$image" && exit 0 ;; esac
done
exit 1
"""

# On a drill host: removes the dump that was brought there, and what killed runs left more than a day ago: FOLDER NAME.
DROP_DUMP = r"""
cd -- "$1" 2>/dev/null || exit 0
rm -f -- "./$2"*
find . -mindepth 1 -maxdepth 1 -type f -mtime +0 -exec rm -f -- {} +
"""


def take_roles(copy: str, superuser: str) -> Argv:
    """Return the command, on a drill host, that gives a copy the roles from standard input."""
    return script(TAKE_ROLES, "sluice-copy-roles", name(copy, "copy"), superuser)


def find_image(live: LiveDatabase) -> Argv:
    """Return the command, on a drill host, that prints the live database's image as it is known there."""
    return login(script(FIND_IMAGE, "sluice-copy-image", live.image, *live.digests))


def drop_dump(folder: str, file: str) -> Argv:
    """Return the command, on a drill host, that removes the dump that was brought there."""
    return script(DROP_DUMP, "sluice-drop-dump", folder, file)


def variables(live: LiveDatabase) -> bytes:
    """Return the variables a copy on another host is started with: no secrets, since nobody logs in there."""
    values = {"USER": live.superuser, "DB": "postgres", "HOST_AUTH_METHOD": "trust", "INITDB_ARGS": "-N"}
    return "".join(f"POSTGRES_{key}={value}\n" for key, value in values.items()).encode()
