"""Databases beside the live one in its own server: made, filled, and swapped for it by name.

The changes are made in a database that is neither of them. What varies reaches the SQL as variables of `psql`, which
quotes them; the live database's name is `live`.
"""

# ruff: noqa: S608 - psql itself quotes what varies

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.database.postgresql.login import LOGIN
from tasks.host.scripts import script

if TYPE_CHECKING:
    from tasks.database.commands.names import Names
    from tasks.database.engine.protocols import Login
    from tasks.kernel.argv import Argv

# Runs SQL from standard input: USER DATABASE NAME=VALUE….
_CHANGE = (
    LOGIN
    + r"""
maintenance=postgres
[ "$database" != postgres ] || maintenance=template1
shift 2
for pair; do set -- "$@" "--set=$pair"; shift; done
exec psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --set="live=$database" \
  --username="$user" --dbname="$maintenance" --no-password "$@" --file=-
"""
)

# Restores a dump from standard input into an empty database of the same server, owners and rights as they were:
# USER DATABASE NAME.
_FILL = (
    LOGIN
    + r"""
exec pg_restore --exit-on-error --no-password --username="$user" --dbname="$3"
"""
)

# Gives a database what the live one is set to: its owner's and others' rights, and the settings of sessions. A dump of
# one database does not have them.
_LIKE_LIVE = r"""
select format('revoke all on database %I from public', :'other')
from pg_database where datname = :'live' and datacl is not null \gexec
select format('grant %s on database %I to %s', a.privilege_type, :'other',
  case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
  || case when a.is_grantable then ' with grant option' else '' end)
from pg_database d, aclexplode(d.datacl) a where d.datname = :'live' \gexec
select format('select set_config(%L, %L, true); ', split_part(c, '=', 1), substr(c, position('=' in c) + 1))
  || case s.setrole when 0 then format('alter database %I', :'other')
     else format('alter role %I in database %I', pg_get_userbyid(s.setrole), :'other') end
  || format(' set %I from current', split_part(c, '=', 1))
from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase, unnest(s.setconfig) c
where d.datname = :'live' \gexec
"""

# Makes an empty database like the live one; a half-filled one of the name goes first.
MAKE = (
    r"""
set client_min_messages = warning;
drop database if exists :"new" with (force);
select format('create database %I template template0 owner %I tablespace %I encoding %L lc_collate %L lc_ctype %L',
    :'new', pg_get_userbyid(d.datdba), t.spcname, pg_encoding_to_char(d.encoding), d.datcollate, d.datctype)
  || case to_jsonb(d) ->> 'datlocprovider'
     when 'i' then format(' locale_provider icu icu_locale %L',
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'))
     when 'b' then format(' locale_provider builtin builtin_locale %L', to_jsonb(d) ->> 'datlocale')
     when 'c' then ' locale_provider libc'
     else '' end
from pg_database d join pg_tablespace t on t.oid = d.dattablespace where d.datname = :'live' \gexec
\set other :new
"""
    + _LIKE_LIVE
)

# Keeps the live database as it is now under another name. Whoever is still connected has to come again.
KEEP = (
    r"""
select exists (select from pg_database where datname = :'old') as there \gset
\if :there
\else
select count(pg_terminate_backend(pid)) from pg_stat_activity
where datname = :'live' and pid <> pg_backend_pid() \gset
select format('create database %I template %I owner %I', :'old', :'live', pg_get_userbyid(datdba))
from pg_database where datname = :'live' \gexec
\set other :old
"""
    + _LIKE_LIVE
    + "\\endif\n"
)

# Gives the new database the live one's name, and the live one the old name: both or neither. A rename keeps new
# sessions out until it is decided and waits for those that were ended.
SWAP = r"""
select exists (select from pg_database where datname = :'old') as done \gset
\if :done
\else
select count(pg_terminate_backend(pid)) from pg_stat_activity
where datname in (:'live', :'new') and pid <> pg_backend_pid() \gset
begin;
alter database :"live" rename to :"old";
alter database :"new" rename to :"live";
commit;
\endif
"""

# Gives the database that was live before its name again; the one that took its place is removed, and so is what was
# not swapped yet.
PUT_BACK = r"""
set client_min_messages = warning;
select exists (select from pg_database where datname = :'old') as there \gset
\if :there
select count(pg_terminate_backend(pid)) from pg_stat_activity
where datname in (:'live', :'old') and pid <> pg_backend_pid() \gset
begin;
alter database :"live" rename to :"bad";
alter database :"old" rename to :"live";
commit;
\endif
drop database if exists :"bad" with (force);
drop database if exists :"new" with (force);
"""

# Removes what was kept.
DROP = r"""
set client_min_messages = warning;
drop database if exists :"old" with (force);
drop database if exists :"new" with (force);
drop database if exists :"bad" with (force);
"""


def change(names: Names, login: Login) -> Argv:
    """Return the command that makes one of the changes, which it reads from standard input."""
    pairs = (f"new={names.new}", f"old={names.old}", f"bad={names.bad}")
    return script(_CHANGE, "sluice-databases", *login, *pairs)


def fill(name: str, login: Login) -> Argv:
    """Return the command that restores a dump from standard input into an empty database."""
    return script(_FILL, "sluice-fill", *login, name)


def is_in_use(said: str) -> bool:
    """Say whether a rename failed because a client came back at once; it waits 5 s by itself."""
    return "being accessed by other users" in said
