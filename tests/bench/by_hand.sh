#!/usr/bin/env bash
# What a careful team's CI job does without Sluice, with the same commands: build, push, dump, migrate, pull, up, curl.
#
#   by_hand.sh prepare | promote | back
#
# From the environment: SOURCE (checkout), TAG, REGISTRY (with repository prefix), SERVER, KEY, KNOWN_HOSTS.
set -euo pipefail
cd "$SOURCE"

remote() {
  ssh -i "$KEY" -o UserKnownHostsFile="$KNOWN_HOSTS" -o IdentitiesOnly=yes -o BatchMode=yes "deploy@$SERVER" "$@"
}
compose="cd byhand && docker compose -p shop -f compose.yaml -f images.yaml"

write_images() {
  printf 'services:\n'
  for service in backend worker scheduler; do
    printf '  %s: {image: "%s/backend:%s", build: !reset null}\n' "$service" "$REGISTRY" "$TAG"
  done
  printf '  frontend: {image: "%s/frontend:%s", build: !reset null}\n' "$REGISTRY" "$TAG"
}

copy_files() {
  remote 'mkdir -p byhand/backups'
  tar -c compose.yaml ops | remote 'tar -x -C byhand'
  write_images | remote 'cat > byhand/images.yaml'
}

healthy() {
  for _ in $(seq 600); do
    if curl --fail --silent --output /dev/null "http://$SERVER:8080/api/health"; then return; fi
    sleep 0.1
  done
  return 1
}

case $1 in
  prepare | promote)
    docker build --quiet --tag "$REGISTRY/backend:$TAG" backend
    docker build --quiet --tag "$REGISTRY/frontend:$TAG" frontend
    docker push --quiet "$REGISTRY/backend:$TAG"
    docker push --quiet "$REGISTRY/frontend:$TAG"
    copy_files
    if [[ $1 == promote ]]; then
      remote "cd byhand && docker compose -p shop exec -T db \
        pg_dump -U shop --format=custom --compress=zstd:1 shop > backups/$TAG.dump"
    fi
    remote "$compose pull --quiet backend worker scheduler frontend"
    remote "$compose run --rm -T backend alembic upgrade head"
    remote "$compose up -d --wait"
    healthy
    ;;
  back)
    copy_files
    remote "$compose up -d --wait"
    healthy
    ;;
  *)
    echo "unknown: $1" >&2
    exit 2
    ;;
esac
