"""Logging in to a PostgreSQL server inside of its own container."""

from __future__ import annotations

# Sets user and database from the first two arguments or the image's variables, and the password psql and its kin ask
# for where the server wants one even on its own socket. The official image accepts each variable also as a file
# (`POSTGRES_USER_FILE`).
LOGIN = r"""
given() {
  eval "value=\${$1:-}; file=\${$1_FILE:-}"
  [ -n "$value" ] || [ -z "$file" ] || value=$(cat -- "$file")
}
user=$1
[ -n "$user" ] || { given POSTGRES_USER; user=${value:-postgres}; }
database=$2
[ -n "$database" ] || { given POSTGRES_DB; database=${value:-$user}; }
given POSTGRES_PASSWORD
[ -z "$value" ] || { PGPASSWORD=$value; export PGPASSWORD; }
"""
