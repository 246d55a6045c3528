#!/bin/bash
# Takes all space of the disk but the given number of bytes.
set -euo pipefail
rm -f /srv/filler
read -r blocks block_bytes < <(stat --file-system --format '%a %S' /srv)
size=$((blocks * block_bytes - $1))
((size > 0)) || exit 0
fallocate --length "$size" /srv/filler || true
