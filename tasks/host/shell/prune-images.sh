# Removes images of a repository that no kept release needs: REPOSITORY… -- DIGEST…. The engine itself refuses one that
# a container uses, which is what is wanted.

repositories=
while [ "$#" -gt 0 ] && [ "$1" != "--" ]; do repositories="$repositories $1"; shift; done
shift
for repository in $repositories; do
  docker image ls --digests --no-trunc --format '{{.Repository}}@{{.Digest}}' "$repository" |
  while IFS= read -r image; do
    for digest in "$@"; do [ "${image##*@}" = "$digest" ] && continue 2; done
    docker image rm -- "$image" >/dev/null 2>&1 && printf '%s\n' "$image"
  done
done
exit 0
