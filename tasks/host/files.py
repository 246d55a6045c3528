"""PURE: constant scripts about an application's own files on a host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tasks.host.references import is_reference, local_name
from tasks.host.retention import StoredDump
from tasks.host.scripts import shell
from tasks.kernel.argv import Argv
from tasks.kernel.lines import lines

_DUMP_WORDS = 3


def link_shared(directory: str, bundle: str, pairs: tuple[tuple[str, str], ...]) -> Argv:
    """Return the command that links shared files into a bundle.

    Args:
        pairs: Path within the bundle, and what it links to within the directory.
    """
    return shell("share", directory, bundle, *(word for pair in pairs for word in pair))


def pull_missing(images: Mapping[str, str], argv: Argv) -> Argv:
    """Return the command that pulls the images a host does not have, without asking any registry for the others.

    Args:
        images: Service → image. Of several services with one image, the first stands for all.
    """
    first = {image: service for service, image in sorted(images.items(), reverse=True)}
    asked = {image: local_name(image) if is_reference(image) else "-" for image in first}
    pairs = " ".join(f"{asked[image]}={service}" for image, service in sorted(first.items()))
    known = " ".join(sorted(image for image, name in asked.items() if name != "-"))
    return shell("pull", known, pairs, *argv)


def missing_images(images: Iterable[str]) -> Argv:
    """Return the command that prints those of some images that the engine does not have, one a line."""
    return shell("images", *sorted(set(images)))


def list_dumps(directory: str) -> Argv:
    """Return the command that lists the dumps of a directory."""
    return shell("list-dumps", directory)


def parse_dumps(text: str) -> tuple[StoredDump, ...]:
    """Read what `list_dumps` printed."""
    found: list[StoredDump] = []
    for line in lines(text):
        words = line.split(" ", 2)
        if len(words) == _DUMP_WORDS and words[0].isdigit():
            found.append(StoredDump(words[2], int(words[0]), receipt=words[1] == "yes"))
    return tuple(found)


def remove_dumps(directory: str, names: tuple[str, ...]) -> Argv:
    """Return the command that removes dumps with their receipts; it prints the removed."""
    return shell("remove-dumps", directory, *names)


def measure_dump(path: str) -> Argv:
    """Return the command that prints `sha256 bytes` of a dump, nothing where there is none."""
    return shell("measure-dump", path)


def prune_images(repositories: tuple[str, ...], digests: tuple[str, ...]) -> Argv:
    """Return the command that removes a pipeline's images but those of the digests to keep."""
    return shell("prune-images", *repositories, "--", *digests)


def parse_files(text: str) -> dict[str, str]:
    """Read what `bundle_files` printed.

    Returns:
        Path relative to the bundle → sha256, hex.
    """
    return dict(_file(line) for line in lines(text) if "  " in line)


def _file(line: str) -> tuple[str, str]:
    checksum, _, path = line.partition("  ")
    # A line that begins with a backslash has its backslashes and newlines escaped.
    if checksum.startswith("\\"):
        checksum = checksum[1:]
        path = path.replace("\\\\", "\0").replace("\\n", "\n").replace("\\r", "\r").replace("\0", "\\")
    return path.removeprefix("./"), checksum
