"""The constant shell scripts that run on hosts, in files of the folder `shell`, and the commands made of them.

Values reach them only as positional arguments or standard input, never by pasting text into a script. They
are written for any POSIX shell (dash and busybox among them), with `flock` of util-linux. The comment at a file's
head says what the script does and which arguments it takes; it is not sent.
"""

from __future__ import annotations

from pathlib import Path

from tasks.kernel.argv import Argv

# Exit statuses of the wrapper. A command's own status may be the same number, so each of them also
# announces itself on standard error, in a line beginning with the mark.
MARK = "sluice:"
EXIT_NO_FOLDER = 96
EXIT_FENCED = 97
EXIT_BUSY = 98
EXIT_MISSING = 66
EXIT_OTHER = 67

# Read at once: an update of Sluice must not change what a run goes on with.
_TEXTS = {
    path.stem: path.read_text("utf-8").partition("\n\n")[2]
    for path in (Path(__file__).parent / "shell").glob("*.sh")
}


def text_of(name: str) -> str:
    """Return the script of a file, without the comment at its head."""
    return _TEXTS[name]


def script(text: str, name: str, *arguments: str) -> Argv:
    """Return the command that runs a constant script.

    Args:
        name: What messages and process lists call it.
    """
    return ("sh", "-c", text, name, *arguments)


def shell(name: str, *arguments: str) -> Argv:
    """Return the command that runs the script of a file."""
    return script(text_of(name), f"sluice-{name}", *arguments)


def _compared(name: str, *arguments: str) -> Argv:
    return script(text_of("compare") + text_of(name), f"sluice-{name}", *arguments)


def run(cwd: str, directory: str, token: str, argv: Argv) -> Argv:
    """Return the wrapper around every command on a host."""
    return script(text_of("run"), "sluice", cwd, directory, token, *argv)


def raise_fence(directory: str, token: int, seconds: int) -> Argv:
    """Return the command that makes a token the highest, waiting so long for commands of lower ones."""
    return shell("fence", directory, str(token), str(seconds))


def kill(pid: int, seconds: int) -> Argv:
    """Return the command that ends a process group, leaving it so long to end by itself."""
    return shell("kill", str(pid), str(seconds))


def write(path: str, mode: int, size: int) -> Argv:
    """Return the command that writes a file of so many bytes from standard input."""
    return shell("write", path, f"{mode:04o}", str(size))


def receive(path: str, size: int, sha256: str) -> Argv:
    """Return the command that writes a file of so many bytes and this checksum from standard input."""
    return shell("receive", path, str(size), sha256)


def read(path: str) -> Argv:
    """Return the command that prints a file; exit status 66 where there is none."""
    return shell("read", path)


def unpack(directory: str, size: int, listed: str, digest: str) -> Argv:
    """Return the command that unpacks a tar archive from standard input and compares what it unpacked.

    Args:
        listed: The member that lists its regular files, NUL after each name; it is not unpacked.
        digest: The sha256 over their checksums, one a line, in that order, hex.
    """
    return _compared("unpack", directory, str(size), listed, digest)


def compared(directory: str, digest: str, argv: Argv) -> Argv:
    """Return a command that runs only when the files of a folder, listed on standard input, are what they should be.

    Args:
        digest: The sha256 over their checksums, one a line, in the order of the list, hex.
    """
    return _compared("compared", directory, digest, *argv)


def login(argv: Argv) -> Argv:
    """Return a command that runs with the Docker configuration (JSON) it is given by standard input."""
    return shell("login", *argv)


def dump(path: str, argv: Argv) -> Argv:
    """Return the command that keeps another command's output in a file and prints `sha256 bytes`."""
    return shell("dump", path, *argv)


def link(target: str, path: str) -> Argv:
    """Return the command that makes a symbolic link lead to a target, replacing it in one step."""
    return shell("link", target, path)


def prune(directory: str, keep: tuple[str, ...]) -> Argv:
    """Return the command that removes the folders of a directory but those to keep; it prints the removed."""
    return shell("prune", directory, *keep)
