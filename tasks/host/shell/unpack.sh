# Unpacks a tar archive from standard input: DIRECTORY BYTES LIST DIGEST. Containers read the files as users of their
# own, so they must not depend on the login's umask. LIST is the archive's own list of its files; what was unpacked is
# compared with DIGEST before it gets its name. A folder cannot be replaced in one step, so the old one is moved aside
# first, and is moved back where that was as far as an earlier attempt came.

parent=$(dirname -- "$1"); name=$(basename -- "$1")
mkdir -p -- "$parent" || exit 1
umask 022
part=$(mktemp -d -- "$parent/.$name.XXXXXX") || exit 1
trap 'rm -rf -- "$part"' EXIT
trap 'exit 1' HUP INT TERM
dd of="$part/archive" bs=65536 2>/dev/null || { echo "cannot write to $parent; disk full?" >&2; exit 1; }
size=$(wc -c < "$part/archive")
[ "$size" -eq "$2" ] || { echo "only $size of $2 bytes of the archive arrived" >&2; exit 1; }
mkdir "$part/files" && tar -x --no-same-owner -f "$part/archive" -C "$part/files" || exit 1
rm -f -- "$part/archive"
mv -- "$part/files/$3" "$part/list" || exit 1
(cd "$part/files" && compare ../list "$4") || exit 67
chmod 0755 "$part/files"
find "$part/files" -type f -exec sync -- {} + 2>/dev/null
old="$parent/.$name.old"
[ -e "$1" ] || ! [ -e "$old" ] || mv -- "$old" "$1" || exit 1
rm -rf -- "$old"
if [ -e "$1" ] || [ -L "$1" ]; then mv -- "$1" "$old" || exit 1; fi
mv -- "$part/files" "$1" || { mv -- "$old" "$1"; exit 1; }
rm -rf -- "$old"
