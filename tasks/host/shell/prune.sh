# Removes the folders of a directory but those named, and the one that `current` beside it leads to: DIRECTORY
# NAME…; prints what it removed. Half-made folders of killed commands begin with a dot: they go after a day.

cd -- "$1" || exit 0
shift
[ "$#" -gt 0 ] || { echo "nothing named to keep" >&2; exit 1; }
current=$(readlink ../current 2>/dev/null); current=${current##*/}
for folder in *; do
  [ -d "$folder" ] && ! [ -L "$folder" ] || continue
  [ "$folder" = "$current" ] && continue
  for name in "$@"; do [ "$folder" = "$name" ] && continue 2; done
  if rm -rf -- "./$folder" 2>/dev/null; then printf '%s\n' "$folder"; else printf '! %s\n' "$folder"; fi
done
find . -mindepth 1 -maxdepth 1 -name '.*' -mtime +0 -exec rm -rf -- {} +
