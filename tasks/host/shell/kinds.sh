# Says what is at each path: BUNDLE PATH…. A link counts as what it leads to, so that a data folder which is
# linked into the bundle is outside of it.

bundle=$(cd -P -- "$1" && pwd) || exit 1
shift
for path; do
  if [ -f "$path" ]; then echo file
  elif [ -d "$path" ]; then
    case $(cd -P -- "$path" && pwd)/ in "$bundle"/*) echo inside ;; *) echo outside ;; esac
  elif [ -e "$path" ]; then echo other
  else echo missing
  fi
done
