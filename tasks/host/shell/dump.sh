# Keeps what a command writes: PATH PROGRAM ARGUMENT…; prints `sha256 bytes`. The checksum is taken from the
# stream, and what is on the disk is read back and compared with it: a disk that loses bytes is found out. A pipe
# hides the exit statuses, so each part reports its own on a descriptor of its own (a file could not be written on a
# full disk). The file gets its name only when command and disk both reported success. A dump whose connection broke
# goes on here unseen, and the next try would write into the same file: it waits for that one's end. The command itself
# does not hold the lock, because it may leave something running.

umask 077
path=$1; part="$1.part"; folder=$(dirname -- "$1"); shift
mkdir -p -- "$folder" && exec 7< "$folder" || exit 1
flock -x -n 7 || { echo "waiting for an earlier dump to end" >&2; flock -x 7; }
trap 'rm -f -- "$part"' EXIT
trap 'exit 143' HUP INT TERM
told=$({
  { "$@" < /dev/null 3>&- 7<&-; echo "dumped=$?" >&3; } \
    | { tee -- "$part" 3>&-; echo "stored=$?" >&3; } \
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
mv -f -- "$part" "$path" && printf '%s %s\n' "$sum" "$size"
