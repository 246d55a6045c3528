# Writes a file from standard input: PATH MODE BYTES. A connection that breaks looks like the end of the
# input, so the size is compared before the file gets its name.

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
