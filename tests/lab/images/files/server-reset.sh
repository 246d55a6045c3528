#!/bin/bash
# Back to a fresh server: no containers, volumes, networks or files of the deploy user. Images stay.
set -euo pipefail
rm -f /srv/filler
pkill -KILL -u deploy || true
find /home/deploy -mindepth 1 -delete
server-engine
mapfile -t containers < <(docker ps --all --quiet)
[[ ${#containers[@]} == 0 ]] || docker rm --force --volumes "${containers[@]}" >/dev/null
mapfile -t volumes < <(docker volume ls --quiet)
[[ ${#volumes[@]} == 0 ]] || docker volume rm --force "${volumes[@]}" >/dev/null
docker network prune --force >/dev/null
