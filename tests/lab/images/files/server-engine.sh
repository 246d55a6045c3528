#!/bin/bash
# Starts the engine and waits until it answers.
set -euo pipefail
export DOCKER_HOST=unix:///run/docker.sock
docker version >/dev/null 2>&1 && exit
rm -f /run/docker.pid
setsid dockerd --group docker >>/var/log/dockerd.log 2>&1 </dev/null &
for _ in $(seq 300); do
    docker version >/dev/null 2>&1 && exit
    sleep 0.1
done
echo "dockerd does not answer: $(tail -n 1 /var/log/dockerd.log)" >&2
exit 1
