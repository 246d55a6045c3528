#!/bin/bash
# Makes sure that the engine has the base images: each line of the list is a registry's reference, a name, an id.
set -euo pipefail
config=$(mktemp -d)
trap 'rm -rf "$config"' EXIT
install -m 600 /etc/sluice-lab/config.json "$config/config.json"

ensure_image() {
    local reference=$1 name=$2 id=$3
    [[ $(docker image inspect --format '{{.Id}}' "$name" 2>/dev/null) == "$id" ]] && return
    docker --config "$config" pull --quiet "$reference" >/dev/null
    docker tag "$reference" "$name"
    docker rmi "$reference" >/dev/null
}

while read -r reference name id; do ensure_image "$reference" "$name" "$id"; done </etc/sluice-lab/images
