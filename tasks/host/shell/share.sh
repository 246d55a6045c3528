# Links what is no part of a release (the env file, data folders) into a bundle: DIRECTORY BUNDLE [PATH TARGET]…;
# targets are relative to DIRECTORY, and a missing data folder is made, so that the engine does not make it as root.

directory=$1; bundle=$2; shift 2
while [ "$#" -gt 1 ]; do
  path="$bundle/$1"; target="$directory/$2"; folder=$bundle; rest=$1; shift 2
  # Behind a link is what is not the release's: only a data folder within one that was linked just now may be there.
  while case $rest in */*) ;; *) false ;; esac; do
    folder=$folder/${rest%%/*}; rest=${rest#*/}
    [ -L "$folder" ] || continue
    case $(readlink -- "$folder")/$rest in "$target") mkdir -p -- "$target" && continue 2 || exit 1 ;; esac
    echo "$folder is a link, so nothing is put behind it; name what it leads to in the compose files" >&2; exit 1
  done
  mkdir -p -- "$(dirname -- "$path")" || exit 1
  [ -e "$target" ] || mkdir -p -- "$target" || exit 1
  [ -L "$path" ] && [ "$(readlink -- "$path")" = "$target" ] && continue
  rm -rf -- "$path" && ln -s -- "$target" "$path" || exit 1
done
