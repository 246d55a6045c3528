# Runs a command with a registry login that exists only as long as it runs: PROGRAM ARGUMENT…; the Docker
# configuration comes by standard input. It is kept in memory where the host has /dev/shm. What a killed run
# left behind is removed by the next one: the folder's name ends with the process id.

umask 077
base=/dev/shm
{ [ -d "$base" ] && [ -w "$base" ]; } || base=${TMPDIR:-/tmp}
for left in "$base"/sluice-login.*; do
  kill -0 "${left##*.}" 2>/dev/null || rm -rf -- "$left" 2>/dev/null
done
login="$base/sluice-login.$$"
mkdir -- "$login" || exit 1
trap 'rm -rf -- "$login"' EXIT
trap 'exit 143' HUP INT TERM
cat > "$login/config.json" || exit 1
own=${DOCKER_CONFIG:-$HOME/.docker}
[ -d "$own/cli-plugins" ] && ln -s -- "$own/cli-plugins" "$login/cli-plugins"
# A rootless engine is found through the context that the login's own configuration names.
if [ -z "${DOCKER_HOST:-}" ] && grep -qs '"currentContext"' "$own/config.json"; then
  DOCKER_HOST=$(docker context inspect --format '{{.Endpoints.docker.Host}}') && export DOCKER_HOST
fi
DOCKER_CONFIG=$login
export DOCKER_CONFIG
"$@" < /dev/null
