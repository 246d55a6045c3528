"""PURE: the scripts that read a host for comparison with the ledger, and the parsers of what they print."""

from __future__ import annotations

from blocks.values.drift import OtherContainer
from blocks.values.manifests import EARLIER_MANIFEST_FILE, MANIFEST_FILE
from tasks.host.scripts import script
from tasks.kernel.argv import Argv
from tasks.kernel.lines import lines

# Prints `sha256  ./path` for every file of the current bundle but its manifest: DIRECTORY. Links lead to what is no
# part of a release, and are not followed; what cannot be read is left out.
BUNDLE_FILES = f"""
cd -- "$1/current" 2>/dev/null || exit 0
own=./{MANIFEST_FILE}
[ -f "$own" ] || own=./{EARLIER_MANIFEST_FILE}
find . -type f ! -path "$own" -exec sha256sum -- {{}} + 2>/dev/null
exit 0
"""

# Prints the names of rollbacks that the ledger does not have yet: FOLDER.
UNRECORDED = """
cd -- "$1" 2>/dev/null || exit 0
for file in *.json; do
  case $file in *.recorded.json) continue ;; esac
  [ -f "$file" ] && printf '%s\\n' "$file"
done
exit 0
"""

_LABEL = '{{{{.Label "com.docker.compose.{}"}}}}'
_COLUMNS = (
    "{{.Names}}",
    "{{.Image}}",
    _LABEL.format("project"),
    _LABEL.format("service"),
    _LABEL.format("oneoff"),
    "{{.State}}",
    "{{.Networks}}",
)
_UP = frozenset({"running", "restarting", "paused"})


def bundle_files(directory: str) -> Argv:
    """Return the command that prints the checksums of the current bundle's files."""
    return script(BUNDLE_FILES, "sluice-bundle", directory)


def all_containers() -> Argv:
    """Return the command that lists every container of a host, tab-separated."""
    return ("docker", "ps", "--all", "--no-trunc", "--format", "\t".join(_COLUMNS))


def unrecorded(folder: str) -> Argv:
    """Return the command that lists the rollbacks in a folder which the ledger does not have yet."""
    return script(UNRECORDED, "sluice-offline", folder)


def parse_all_containers(text: str) -> tuple[OtherContainer, ...]:
    """Read what `all_containers` printed."""
    rows = [line.split("\t") for line in lines(text)]
    found = [_container(row) for row in rows if len(row) == len(_COLUMNS)]
    return tuple(sorted(found, key=lambda one: one.name))


def _container(row: list[str]) -> OtherContainer:
    name, image, project, service, one_off, state, networks = row
    return OtherContainer(
        name=name,
        image=image,
        project=project,
        service=service,
        one_off=one_off.lower() == "true",
        running=state in _UP,
        networks=tuple(one for one in networks.split(",") if one),
    )
