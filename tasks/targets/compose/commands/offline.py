"""PURE: the scripts that read and extend what a host remembers, and the parser of what it tells."""

from __future__ import annotations

from pydantic import ValidationError

from blocks.values.manifests import EARLIER_MANIFEST_FILE, MANIFEST_FILE, Manifest
from blocks.values.offline import LIVE_FILE, HostMemory, LiveRelease
from tasks.host.scripts import EXIT_MISSING, script
from tasks.kernel.argv import Argv
from tasks.kernel.lines import lines

# Prints all a host remembers in one round trip: DIRECTORY LIVE_FILE. Each manifest is put on one line; a folder that
# was moved aside is no release to start.
SURVEY = f"""
cd -- "$1" 2>/dev/null || exit {EXIT_MISSING}
current=$(readlink current 2>/dev/null)
printf 'current=%s\\n' "${{current##*/}}"
[ -e fence ] && IFS= read -r highest < fence && printf 'fence=%s\\n' "$highest"
if [ -f "$2" ]; then
  tail -n 1000 -- "$2" | while IFS= read -r line || [ -n "$line" ]; do printf 'live=%s\\n' "$line"; done
fi
for folder in releases/*; do
  case $folder in *.left-*) continue ;; esac
  for name in {MANIFEST_FILE} {EARLIER_MANIFEST_FILE}; do
    [ -f "$folder/$name" ] && {{ printf 'manifest=%s\\n' "$(tr '\\n' ' ' < "$folder/$name")"; break; }}
  done
done
exit 0
"""

# Adds lines from standard input to a file: PATH. A line that a full disk cut short stays one line of its own.
REMEMBER = """
if [ -s "$1" ] && [ -n "$(tail -c 1 -- "$1")" ]; then printf '\\n' >> "$1" || exit 1; fi
cat >> "$1" && { sync -- "$1" 2>/dev/null || true; }
"""


def survey(directory: str) -> Argv:
    """Return the command that prints what a host remembers of an application; 66 where it knows none."""
    return script(SURVEY, "sluice-survey", directory, LIVE_FILE)


def remember(directory: str) -> Argv:
    """Return the command that adds the lines of its standard input to the releases that ran."""
    return script(REMEMBER, "sluice-remember", f"{directory}/{LIVE_FILE}")


def parse_survey(text: str) -> HostMemory:
    """Read what `SURVEY` printed.

    Returns:
        The memory; what cannot be read is named, and the rest counts.
    """
    found: dict[str, list[str]] = {"current": [], "fence": [], "live": [], "manifest": []}
    for line in lines(text):
        key, _, value = line.partition("=")
        if key in found and value.strip():
            found[key].append(value)
    unread: list[str] = []
    manifests = [kept for value in found["manifest"] if (kept := _manifest(value, unread))]
    fence = next(iter(found["fence"]), "").strip()
    return HostMemory(
        current=next(iter(found["current"]), None),
        fence=int(fence) if fence.isdigit() else 0,
        live=tuple(one for value in found["live"] if (one := _live(value, unread))),
        manifests={kept.release.id: kept for kept in manifests},
        unread=tuple(unread),
    )


def _manifest(text: str, unread: list[str]) -> Manifest | None:
    try:
        return Manifest.from_json(text)
    except ValidationError:
        unread.append(f"a {MANIFEST_FILE} that was changed by hand, or is from a newer Sluice")
        return None


def _live(text: str, unread: list[str]) -> LiveRelease | None:
    try:
        return LiveRelease.from_json(text)
    except ValidationError:
        unread.append(f"a line of {LIVE_FILE} that is incomplete, or from a newer Sluice")
        return None
