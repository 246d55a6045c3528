# Makes a symbolic link point elsewhere: TARGET LINK. There is always either the old or the new one.

[ -e "$2" ] && ! [ -L "$2" ] && { echo "$2 is no symbolic link" >&2; exit 1; }
rm -f -- "$2.new"
ln -s -- "$1" "$2.new" && mv -f -T -- "$2.new" "$2"
