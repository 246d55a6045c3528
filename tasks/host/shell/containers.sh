# With a second parameter it first looks that often, five times a second, for one that starts no more or has changed:
# each look is a program, which takes from what starts.

list() { docker ps -aq --filter "label=com.docker.compose.project=$1"; }
ids=$(list "$1") || exit 1
[ -n "$ids" ] || { printf '[]\n'; exit 0; }
looks=${2:-0} first=
while [ "$looks" -gt 0 ]; do
    now=$(docker inspect --format '{{.State.Status}}{{with .State.Health}} {{.Status}}{{end}}' $ids 2>/dev/null) ||
        { ids=$(list "$1") || exit 1; break; }
    case $now in *' starting'*) ;; *) break ;; esac
    [ "$now" = "${first:=$now}" ] || break
    looks=$((looks - 1))
    sleep 0.2 2>/dev/null || sleep 1
done
[ -n "$ids" ] || { printf '[]\n'; exit 0; }
docker inspect $ids
