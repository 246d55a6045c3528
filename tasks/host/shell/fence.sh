# Raises the fence: DIRECTORY TOKEN SECONDS. The token is written first, under a lock of its own, so that late
# commands are refused from here on; only then are the running ones waited for. The other way round, ever new
# commands of the old run could keep the lock shared.

umask 077
mkdir -p -- "$1" || exit 96
exec 8>>"$1/fence.lock" 9>>"$1/lock"
flock -x -w "$3" 8 || { printf 'sluice: the fence is held by another run\n' >&2; exit 98; }
highest=
[ -e "$1/fence" ] && IFS= read -r highest < "$1/fence"
if [ -n "$highest" ] && [ "$highest" -gt "$2" ]; then
  printf 'sluice: token %s is not the one that stands, %s\n' "$2" "$highest" >&2; exit 97
fi
if [ "$highest" != "$2" ]; then
  printf '%s\n' "$2" > "$1/fence.new" && mv -f -- "$1/fence.new" "$1/fence" || exit 1
fi
if ! flock -x -w "$3" 9; then
  # Who holds it: the processes that have the lock's file open.
  for link in /proc/[0-9]*/fd/9; do
    [ "$link" -ef "$1/lock" ] || continue
    process=${link#/proc/}; process=${process%%/*}
    [ "$process" = "$$" ] && continue
    command=$(tr '\0\n' '  ' < "/proc/$process/cmdline" | cut -c1-2000)
    printf 'sluice: still running: %s %s\n' "$process" "$command" >&2
  done
  exit 98
fi
