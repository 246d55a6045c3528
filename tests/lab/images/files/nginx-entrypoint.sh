#!/bin/sh
# As the official image does: fills templates from the environment, then becomes the command.
set -eu
for template in /etc/nginx/templates/*.template; do
    [ -e "$template" ] || continue
    # Only variables that exist are replaced, because nginx has variables of its own.
    known=$(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/${\1}/p' | tr '\n' ' ')
    # shellcheck disable=SC2094 # two different files
    envsubst "$known" <"$template" >"/etc/nginx/conf.d/$(basename "$template" .template)"
done
exec "$@"
