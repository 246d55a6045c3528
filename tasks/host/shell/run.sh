# Starts every command: CWD FENCE_DIRECTORY TOKEN PROGRAM ARGUMENT…; CWD and FENCE_DIRECTORY may be empty.
# - Its process id comes first, so that the group can be ended over a second channel. `$$` stays the same
#   through both `exec`s, and the SSH server makes it the leader of a session.
# - A changing command holds the lock shared, on a descriptor it inherits: it is let go when the last process
#   of the command is gone, whatever happens to the connection.
# - The token is compared while the lock is held, and whoever raises it waits for the lock afterwards: there
#   is no moment in which a command of an older token could still begin.

printf 'sluice: pid %s\n' "$$" >&2
if [ -n "$2" ]; then
  if ! { [ -d "$2" ] && [ -w "$2" ]; }; then
    printf 'sluice: no folder %s\n' "$2" >&2; exit 96
  fi
  exec 9>>"$2/lock"
  flock -s -w 60 9 || { printf 'sluice: the lock is held by another command\n' >&2; exit 98; }
  highest=
  [ -e "$2/fence" ] && IFS= read -r highest < "$2/fence"
  if [ "$highest" != "$3" ]; then
    printf 'sluice: token %s is not the one that stands, %s\n' "$3" "${highest:-none}" >&2
    exit 97
  fi
fi
if [ -n "$1" ]; then
  cd -- "$1" 2>/dev/null || { printf 'sluice: no folder %s\n' "$1" >&2; exit 96; }
fi
shift 3
# A path that the host's env file has a part in may be an address there: compose would send it the values, and start
# what nobody read.
export COMPOSE_EXPERIMENTAL_GIT_REMOTE=false COMPOSE_EXPERIMENTAL_OCI_REMOTE=false
exec "$@"
