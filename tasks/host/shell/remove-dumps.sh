# Removes dumps of a directory with their receipts, the receipt first, since it says that there is a dump: DIRECTORY
# [NAME]…; prints what it removed. What killed runs left half-written goes after a day.

cd -- "$1" 2>/dev/null || exit 0
shift
for name in "$@"; do
  rm -f -- "./$name.json" && rm -f -- "./$name" && printf '%s\n' "$name"
done
find . -mindepth 1 -maxdepth 1 -type f -name '*.part' -mtime +0 -exec rm -f -- {} +
