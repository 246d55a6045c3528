"""The constant shell scripts that run on hosts, and the commands made of them.

Values reach them only as positional arguments or standard input, never by pasting text into a script. They
are written for any POSIX shell (dash and busybox among them), with `flock` of util-linux.
"""

from __future__ import annotations

from tasks.kernel.argv import Argv

# Exit statuses of the wrapper. A command's own status may be the same number, so each of them also
# announces itself on standard error, in a line beginning with the mark.
MARK = "sluice:"
EXIT_NO_FOLDER = 96
EXIT_FENCED = 97
EXIT_BUSY = 98
EXIT_MISSING = 66
EXIT_OTHER = 67

# Starts every command: CWD FENCE_DIRECTORY TOKEN PROGRAM ARGUMENT…; CWD and FENCE_DIRECTORY may be empty.
# - Its process id comes first, so that the group can be ended over a second channel. `$$` stays the same
#   through both `exec`s, and the SSH server makes it the leader of a session.
# - A changing command holds the lock shared, on a descriptor it inherits: it is let go when the last process
#   of the command is gone, whatever happens to the connection.
# - The token is compared while the lock is held, and whoever raises it waits for the lock afterwards: there
#   is no moment in which a command of an older token could still begin.
RUN = f"""
printf '{MARK} pid %s\\n' "$$" >&2
if [ -n "$2" ]; then
  if ! {{ [ -d "$2" ] && [ -w "$2" ]; }}; then
    printf '{MARK} no folder %s\\n' "$2" >&2; exit {EXIT_NO_FOLDER}
  fi
  exec 9>>"$2/lock"
  flock -s -w 60 9 || {{ printf '{MARK} the lock is held by another command\\n' >&2; exit {EXIT_BUSY}; }}
  highest=
  [ -e "$2/fence" ] && IFS= read -r highest < "$2/fence"
  if [ "$highest" != "$3" ]; then
    printf '{MARK} token %s is not the one that stands, %s\\n' "$3" "${{highest:-none}}" >&2
    exit {EXIT_FENCED}
  fi
fi
if [ -n "$1" ]; then
  cd -- "$1" 2>/dev/null || {{ printf '{MARK} no folder %s\\n' "$1" >&2; exit {EXIT_NO_FOLDER}; }}
fi
shift 3
# A path that the host's env file has a part in may be an address there: compose would send it the values, and start
# what nobody read.
export COMPOSE_EXPERIMENTAL_GIT_REMOTE=false COMPOSE_EXPERIMENTAL_OCI_REMOTE=false
exec "$@"
"""

# Raises the fence: DIRECTORY TOKEN SECONDS. The token is written first, under a lock of its own, so that late
# commands are refused from here on; only then are the running ones waited for. The other way round, ever new
# commands of the old run could keep the lock shared.
RAISE_FENCE = f"""
umask 077
mkdir -p -- "$1" || exit {EXIT_NO_FOLDER}
exec 8>>"$1/fence.lock" 9>>"$1/lock"
flock -x -w "$3" 8 || {{ printf '{MARK} the fence is held by another run\\n' >&2; exit {EXIT_BUSY}; }}
highest=
[ -e "$1/fence" ] && IFS= read -r highest < "$1/fence"
if [ -n "$highest" ] && [ "$highest" -gt "$2" ]; then
  printf '{MARK} token %s is not the one that stands, %s\\n' "$2" "$highest" >&2; exit {EXIT_FENCED}
fi
if [ "$highest" != "$2" ]; then
  printf '%s\\n' "$2" > "$1/fence.new" && mv -f -- "$1/fence.new" "$1/fence" || exit 1
fi
if ! flock -x -w "$3" 9; then
  # Who holds it: the processes that have the lock's file open.
  for link in /proc/[0-9]*/fd/9; do
    [ "$link" -ef "$1/lock" ] || continue
    process=${{link#/proc/}}; process=${{process%%/*}}
    [ "$process" = "$$" ] && continue
    command=$(tr '\\0\\n' '  ' < "/proc/$process/cmdline" | cut -c1-2000)
    printf '{MARK} still running: %s %s\\n' "$process" "$command" >&2
  done
  exit {EXIT_BUSY}
fi
"""

# Ends a process group: PID SECONDS. It is asked first, and killed when it is still there after that time.
KILL = """
kill -TERM "-$1" 2>/dev/null || exit 0
tries=0
while kill -0 "-$1" 2>/dev/null; do
  [ "$tries" -ge "$(($2 * 10))" ] && break
  tries=$((tries + 1))
  sleep 0.1 2>/dev/null || { sleep 1; tries=$((tries + 9)); }
done
kill -KILL "-$1" 2>/dev/null
exit 0
"""

# Writes a file from standard input: PATH MODE BYTES. A connection that breaks looks like the end of the
# input, so the size is compared before the file gets its name.
WRITE = """
folder=$(dirname -- "$1")
mkdir -p -- "$folder" || exit 1
[ -d "$1" ] && { echo "$1 is a folder" >&2; exit 1; }
part=$(mktemp -- "$1.XXXXXX") || exit 1
trap 'rm -f -- "$part"' EXIT
trap 'exit 1' HUP INT TERM
dd of="$part" bs=65536 conv=fsync 2>/dev/null || { echo "cannot write $1; is the disk full?" >&2; exit 1; }
size=$(wc -c < "$part")
[ "$size" -eq "$3" ] || { echo "only $size of $3 bytes of $1 arrived" >&2; exit 1; }
chmod -- "$2" "$part" && mv -f -- "$part" "$1"
"""

# Writes a large file from standard input: PATH BYTES SHA256. What is on the disk is read back before it gets its
# name, so neither a connection nor a disk that loses bytes goes unnoticed. Only its owner may read it.
RECEIVE = """
umask 077
mkdir -p -- "$(dirname -- "$1")" || exit 1
[ -d "$1" ] && { echo "$1 is a folder" >&2; exit 1; }
part="$1.$$.part"
trap 'rm -f -- "$part"' EXIT
trap 'exit 1' HUP INT TERM
dd of="$part" bs=65536 conv=fsync 2>/dev/null || { echo "cannot write $1; is the disk full?" >&2; exit 1; }
size=$(($(wc -c < "$part")))
[ "$size" -eq "$2" ] || { echo "only $size of $2 bytes of $1 arrived" >&2; exit 1; }
sum=$(sha256sum < "$part") || exit 1
[ "${sum%% *}" = "$3" ] || { echo "$1 arrived with another checksum" >&2; exit 1; }
mv -f -- "$part" "$1"
"""

# Prints a file: PATH. Its own exit status stands for a file that is not there.
READ = f"""
[ -e "$1" ] || exit {EXIT_MISSING}
exec cat -- "$1"
"""

# Compares files with what they should be: `compare LIST DIGEST` in their folder. LIST has their names, NUL after each,
# DIGEST is the sha256 over their checksums, one a line. Where it is another one, each checksum is printed, in the same
# order, `-` for what cannot be read. One program reads them all; where its lines do not fit, which is also so where
# busybox prints a name with a line break as it is, each is read by itself, and those checksums count.
_COMPARE = """
sums() { xargs -0 -r sha256sum -- < "$1" 2>/dev/null | sed 's/^\\\\//; s/ .*//'; }
each() {
  xargs -0 -r sh -c 'for file; do
    sum=$([ -f "$file" ] && sha256sum < "$file" 2>/dev/null) || sum=-
    printf "%s\\n" "${sum%% *}"
  done' each < "$1"
}
compare() {
  sum=$(sums "$1" | sha256sum); [ "${sum%% *}" = "$2" ] && return 0
  sum=$(each "$1" | sha256sum); [ "${sum%% *}" = "$2" ] && return 0
  each "$1"; return 1
}
"""

# Unpacks a tar archive from standard input: DIRECTORY BYTES LIST DIGEST. Containers read the files as users of their
# own, so they must not depend on the login's umask. LIST is the archive's own list of its files; what was unpacked is
# compared with DIGEST before it gets its name. A folder cannot be replaced in one step, so the old one is moved aside
# first, and is moved back where that was as far as an earlier attempt came.
UNPACK = f"""{_COMPARE}
parent=$(dirname -- "$1"); name=$(basename -- "$1")
mkdir -p -- "$parent" || exit 1
umask 022
part=$(mktemp -d -- "$parent/.$name.XXXXXX") || exit 1
trap 'rm -rf -- "$part"' EXIT
trap 'exit 1' HUP INT TERM
dd of="$part/archive" bs=65536 2>/dev/null || {{ echo "cannot write to $parent; disk full?" >&2; exit 1; }}
size=$(wc -c < "$part/archive")
[ "$size" -eq "$2" ] || {{ echo "only $size of $2 bytes of the archive arrived" >&2; exit 1; }}
mkdir "$part/files" && tar -x --no-same-owner -f "$part/archive" -C "$part/files" || exit 1
rm -f -- "$part/archive"
mv -- "$part/files/$3" "$part/list" || exit 1
(cd "$part/files" && compare ../list "$4") || exit {EXIT_OTHER}
chmod 0755 "$part/files"
find "$part/files" -type f -exec sync -- {{}} + 2>/dev/null
old="$parent/.$name.old"
[ -e "$1" ] || ! [ -e "$old" ] || mv -- "$old" "$1" || exit 1
rm -rf -- "$old"
if [ -e "$1" ] || [ -L "$1" ]; then mv -- "$1" "$old" || exit 1; fi
mv -- "$part/files" "$1" || {{ mv -- "$old" "$1"; exit 1; }}
rm -rf -- "$old"
"""

# Runs a command when files of a folder are what they should be: DIRECTORY DIGEST PROGRAM ARGUMENT…; the list of the
# files comes by standard input, NUL after each name.
COMPARED = f"""{_COMPARE}
list=$(mktemp) || exit 1
trap 'rm -f -- "$list"' EXIT
trap 'exit 1' HUP INT TERM
cat > "$list" || exit 1
(cd -- "$1" && compare "$list" "$2") || exit {EXIT_OTHER}
shift 2
"$@" < /dev/null
"""

# Runs a command with a registry login that exists only as long as it runs: PROGRAM ARGUMENT…; the Docker
# configuration comes by standard input. It is kept in memory where the host has /dev/shm. What a killed run
# left behind is removed by the next one: the folder's name ends with the process id.
LOGIN = """
umask 077
base=/dev/shm
{ [ -d "$base" ] && [ -w "$base" ]; } || base=${TMPDIR:-/tmp}
for left in "$base"/sluice-login.*; do
  kill -0 "${left##*.}" 2>/dev/null || rm -rf -- "$left" 2>/dev/null
done
login="$base/sluice-login.$$"
mkdir -- "$login" || exit 1
trap 'rm -rf -- "$login"' EXIT
trap 'exit 143' HUP INT TERM
cat > "$login/config.json" || exit 1
own=${DOCKER_CONFIG:-$HOME/.docker}
[ -d "$own/cli-plugins" ] && ln -s -- "$own/cli-plugins" "$login/cli-plugins"
# A rootless engine is found through the context that the login's own configuration names.
if [ -z "${DOCKER_HOST:-}" ] && grep -qs '"currentContext"' "$own/config.json"; then
  DOCKER_HOST=$(docker context inspect --format '{{.Endpoints.docker.Host}}') && export DOCKER_HOST
fi
DOCKER_CONFIG=$login
export DOCKER_CONFIG
"$@" < /dev/null
"""

# Keeps what a command writes: PATH PROGRAM ARGUMENT…; prints `sha256 bytes`. The checksum is taken from the
# stream, and what is on the disk is read back and compared with it: a disk that loses bytes is found out. A pipe
# hides the exit statuses, so each part reports its own on a descriptor of its own (a file could not be written on a
# full disk). The file gets its name only when command and disk both reported success. A dump whose connection broke
# goes on here unseen, and the next try would write into the same file: it waits for that one's end. The command itself
# does not hold the lock, because it may leave something running.
DUMP = """
umask 077
path=$1; part="$1.part"; folder=$(dirname -- "$1"); shift
mkdir -p -- "$folder" && exec 7< "$folder" || exit 1
flock -x -n 7 || { echo "waiting for an earlier dump to end" >&2; flock -x 7; }
trap 'rm -f -- "$part"' EXIT
trap 'exit 143' HUP INT TERM
told=$({
  { "$@" < /dev/null 3>&- 7<&-; echo "dumped=$?" >&3; } \\
    | { tee -- "$part" 3>&-; echo "stored=$?" >&3; } \\
    | sha256sum 3>&- | { read -r sum rest; echo "sum=$sum" >&3; }
} 3>&1)
dumped=1; stored=1; sum=
for word in $told; do
  case $word in
    dumped=*) dumped=${word#*=} ;;
    stored=*) stored=${word#*=} ;;
    sum=*) sum=${word#*=} ;;
  esac
done
[ "$dumped" -eq 0 ] || { echo "the dump ended with exit status $dumped" >&2; exit "$dumped"; }
[ "$stored" -eq 0 ] || { echo "the dump could not be written; is the disk full?" >&2; exit 1; }
sync -- "$part" 2>/dev/null || sync
size=$(($(wc -c < "$part")))
[ "$size" -gt 0 ] || { echo "the dump is empty" >&2; exit 1; }
kept=$(sha256sum < "$part") || exit 1
[ "${kept%% *}" = "$sum" ] || { echo "the disk holds other bytes than were dumped ($size)" >&2; exit 1; }
mv -f -- "$part" "$path" && printf '%s %s\\n' "$sum" "$size"
"""

# Makes a symbolic link point elsewhere: TARGET LINK. There is always either the old or the new one.
LINK = """
[ -e "$2" ] && ! [ -L "$2" ] && { echo "$2 is no symbolic link" >&2; exit 1; }
rm -f -- "$2.new"
ln -s -- "$1" "$2.new" && mv -f -T -- "$2.new" "$2"
"""

# Removes the folders of a directory but those named, and the one that `current` beside it leads to: DIRECTORY
# NAME…; prints what it removed. Half-made folders of killed commands begin with a dot: they go after a day.
PRUNE = """
cd -- "$1" || exit 0
shift
[ "$#" -gt 0 ] || { echo "nothing named to keep" >&2; exit 1; }
current=$(readlink ../current 2>/dev/null); current=${current##*/}
for folder in *; do
  [ -d "$folder" ] && ! [ -L "$folder" ] || continue
  [ "$folder" = "$current" ] && continue
  for name in "$@"; do [ "$folder" = "$name" ] && continue 2; done
  if rm -rf -- "./$folder" 2>/dev/null; then printf '%s\\n' "$folder"; else printf '! %s\\n' "$folder"; fi
done
find . -mindepth 1 -maxdepth 1 -name '.*' -mtime +0 -exec rm -rf -- {} +
"""


def script(text: str, name: str, *arguments: str) -> Argv:
    """Return the command that runs a constant script.

    Args:
        name: What messages and process lists call it.
    """
    return ("sh", "-c", text, name, *arguments)


def run(cwd: str, directory: str, token: str, argv: Argv) -> Argv:
    """Return the wrapper around every command on a host."""
    return script(RUN, "sluice", cwd, directory, token, *argv)


def raise_fence(directory: str, token: int, seconds: int) -> Argv:
    """Return the command that makes a token the highest, waiting so long for commands of lower ones."""
    return script(RAISE_FENCE, "sluice-fence", directory, str(token), str(seconds))


def kill(pid: int, seconds: int) -> Argv:
    """Return the command that ends a process group, leaving it so long to end by itself."""
    return script(KILL, "sluice-kill", str(pid), str(seconds))


def write(path: str, mode: int, size: int) -> Argv:
    """Return the command that writes a file of so many bytes from standard input."""
    return script(WRITE, "sluice-write", path, f"{mode:04o}", str(size))


def receive(path: str, size: int, sha256: str) -> Argv:
    """Return the command that writes a file of so many bytes and this checksum from standard input."""
    return script(RECEIVE, "sluice-receive", path, str(size), sha256)


def read(path: str) -> Argv:
    """Return the command that prints a file; exit status 66 where there is none."""
    return script(READ, "sluice-read", path)


def unpack(directory: str, size: int, listed: str, digest: str) -> Argv:
    """Return the command that unpacks a tar archive from standard input and compares what it unpacked.

    Args:
        listed: The member that lists its regular files, NUL after each name; it is not unpacked.
        digest: The sha256 over their checksums, one a line, in that order, hex.
    """
    return script(UNPACK, "sluice-unpack", directory, str(size), listed, digest)


def compared(directory: str, digest: str, argv: Argv) -> Argv:
    """Return a command that runs only when the files of a folder, listed on standard input, are what they should be.

    Args:
        digest: The sha256 over their checksums, one a line, in the order of the list, hex.
    """
    return script(COMPARED, "sluice-compared", directory, digest, *argv)


def login(argv: Argv) -> Argv:
    """Return a command that runs with the Docker configuration (JSON) it is given by standard input."""
    return script(LOGIN, "sluice-login", *argv)


def dump(path: str, argv: Argv) -> Argv:
    """Return the command that keeps another command's output in a file and prints `sha256 bytes`."""
    return script(DUMP, "sluice-dump", path, *argv)


def link(target: str, path: str) -> Argv:
    """Return the command that makes a symbolic link lead to a target, replacing it in one step."""
    return script(LINK, "sluice-link", target, path)


def prune(directory: str, keep: tuple[str, ...]) -> Argv:
    """Return the command that removes the folders of a directory but those to keep; it prints the removed."""
    return script(PRUNE, "sluice-prune", directory, *keep)
