# Runs a pull for what the engine does not have, and nothing where it has all: IMAGES NAME=SERVICE… PROGRAM ARGUMENT…;
# the first two are one word each, and a NAME is how the engine lists an image, `-` where it cannot be asked about one.
# The services that lack theirs are added to the command. Asking costs one program, whatever the number.

set -f
if said=$(docker image inspect \
  --format '{{range .RepoDigests}} {{.}} {{end}}{{range .RepoTags}} {{.}} {{end}}' $1 2>/dev/null)
then there=yes; else there=; fi
lacking=
for pair in $2; do
  case ${pair%%=*} in
    -) ;;
    *) [ -n "$there" ] && continue; case $said in *" ${pair%%=*} "*) continue ;; esac ;;
  esac
  lacking="$lacking ${pair#*=}"
done
shift 2
[ -n "$lacking" ] || exit 0
exec "$@" $lacking
