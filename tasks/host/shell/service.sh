# The exit status 66 says that no container of the service runs.

id=$(docker ps -q --filter "label=com.docker.compose.project=$1" --filter "label=com.docker.compose.service=$2" \
    --filter "label=com.docker.compose.oneoff=False" --filter status=running | head -n 1) || exit 1
[ -n "$id" ] || exit 66
shift 2
exec docker exec -i "$id" "$@"
