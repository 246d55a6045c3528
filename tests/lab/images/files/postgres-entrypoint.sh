#!/bin/bash
# As the official image does: creates the database on the first start, runs the scripts of
# /docker-entrypoint-initdb.d, then becomes the server, never as root.
set -euo pipefail

from_file() {
    local file_variable="${1}_FILE"
    if [[ -n ${!file_variable:-} ]]; then export "$1"="$(<"${!file_variable}")"; fi
}

create_database() {
    from_file POSTGRES_PASSWORD
    from_file POSTGRES_USER
    from_file POSTGRES_DB
    local user=${POSTGRES_USER:-postgres} database method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    database=${POSTGRES_DB:-$user}
    if [[ -z ${POSTGRES_PASSWORD:-} && $method != trust ]]; then
        echo 'Error: Database is uninitialized and superuser password is not specified.' >&2
        exit 1
    fi
    # shellcheck disable=SC2086 # the arguments are several words
    initdb --no-sync --username="$user" --pwfile=<(printf '%s\n' "${POSTGRES_PASSWORD:-}") --encoding=UTF8 --locale=C.UTF-8 \
        --auth-local=trust --auth-host="$method" ${POSTGRES_INITDB_ARGS:-} >/dev/null
    printf 'host all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
    printf "listen_addresses = '*'\n" >>"$PGDATA/postgresql.conf"
    pg_ctl --wait --silent -o "-c listen_addresses='' -c fsync=off" start
    [[ $database == postgres ]] || createdb --username="$user" "$database"
    # shellcheck source=/dev/null
    for script in /docker-entrypoint-initdb.d/*; do
        case "$script" in
            *.sh) if [[ -x $script ]]; then "$script"; else . "$script"; fi ;;
            *.sql) psql -v ON_ERROR_STOP=1 --no-psqlrc --username="$user" --dbname="$database" --file="$script" ;;
            *.sql.gz) gunzip -c "$script" | psql -v ON_ERROR_STOP=1 --no-psqlrc --username="$user" --dbname="$database" ;;
        esac
    done
    pg_ctl --wait --silent --mode=fast stop
    echo 'PostgreSQL init process complete; ready for start up.'
}

if [[ ${1:0:1} == - ]]; then set -- postgres "$@"; fi
if [[ $1 == postgres && $EUID == 0 ]]; then
    mkdir -p "$PGDATA" /run/postgresql
    chown -R postgres:postgres "$PGDATA" /run/postgresql
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
fi
if [[ $1 == postgres && ! -s $PGDATA/PG_VERSION ]]; then
    chmod 700 "$PGDATA"
    create_database
fi
exec "$@"
