# Writes a large file from standard input: PATH BYTES SHA256. What is on the disk is read back before it gets its
# name, so neither a connection nor a disk that loses bytes goes unnoticed. Only its owner may read it.

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
