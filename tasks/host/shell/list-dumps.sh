# Lists the dumps of a directory, one a line: bytes, yes where the receipt is there too, name:
# DIRECTORY.

cd -- "$1" 2>/dev/null || exit 0
for name in *.dump; do
  [ -f "$name" ] && ! [ -L "$name" ] || continue
  receipt=no; [ -f "$name.json" ] && receipt=yes
  said=$(stat -c %s -- "./$name") && printf '%s %s %s\n' "$said" "$receipt" "$name"
done
