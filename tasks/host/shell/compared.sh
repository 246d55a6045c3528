# Runs a command when files of a folder are what they should be: DIRECTORY DIGEST PROGRAM ARGUMENT…; the list of the
# files comes by standard input, NUL after each name.

list=$(mktemp) || exit 1
trap 'rm -f -- "$list"' EXIT
trap 'exit 1' HUP INT TERM
cat > "$list" || exit 1
(cd -- "$1" && compare "$list" "$2") || exit 67
shift 2
"$@" < /dev/null
