# Compares files with what they should be: `compare LIST DIGEST` in their folder. LIST has their names, NUL after each,
# DIGEST is the sha256 over their checksums, one a line. Where it is another one, each checksum is printed, in the same
# order, `-` for what cannot be read. One program reads them all; where its lines do not fit, which is also so where
# busybox prints a name with a line break as it is, each is read by itself, and those checksums count.

sums() { xargs -0 -r sha256sum -- < "$1" 2>/dev/null | sed 's/^\\//; s/ .*//'; }
each() {
  xargs -0 -r sh -c 'for file; do
    sum=$([ -f "$file" ] && sha256sum < "$file" 2>/dev/null) || sum=-
    printf "%s\n" "${sum%% *}"
  done' each < "$1"
}
compare() {
  sum=$(sums "$1" | sha256sum); [ "${sum%% *}" = "$2" ] && return 0
  sum=$(each "$1" | sha256sum); [ "${sum%% *}" = "$2" ] && return 0
  each "$1"; return 1
}
