"""PURE: which databases an application may really use, asked when the dumped one holds no table."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.kernel.lines import lines


@dataclass(frozen=True)
class Connection:
    """Where a variable of the application leads.

    Attributes:
        service: The service that has it; empty for one of an env file.
        what: The database behind it, as a person would name it; empty where only its server is known.
    """

    key: str
    service: str
    what: str = ""

    def __str__(self) -> str:
        """Return what a person calls it."""
        return f"{self.key} of {self.service or 'the env file'}"


@dataclass(frozen=True)
class OtherDatabases:
    """What was found beside a database that holds no table.

    Attributes:
        neighbours: Databases of its server that hold tables, each as a person would name it.
        full: Connections of the application that lead to another database with tables.
        own: Those that lead to the dumped database itself.
        empty: Those that lead to another database without a table.
        server: Those that lead to its server, where it is not known to which of its databases.
        named: Variables that name one of the server's databases, with what they name.
        elsewhere: Connections that lead to another server, which could not be asked.
        unknown: What could not be asked.
    """

    neighbours: tuple[str, ...] = ()
    full: tuple[Connection, ...] = ()
    own: tuple[Connection, ...] = ()
    empty: tuple[Connection, ...] = ()
    server: tuple[Connection, ...] = ()
    named: tuple[Connection, ...] = ()
    elsewhere: tuple[Connection, ...] = ()
    unknown: tuple[str, ...] = ()
    services: tuple[str, ...] = ()

    def against(self, migrating: str, *, agreed: bool) -> str:
        """Name the database that is the application's instead, empty where none is known to be.

        Another database with tables says nothing where the service that migrates leads to the dumped one, or where a
        person named that one: an application may well have several.

        Args:
            migrating: The service that migrates; empty for none.
            agreed: True where the pipeline names the database and says that it may be empty.
        """
        own = self._of(self.own, migrating)
        if own and (agreed or not any(one.service == migrating for one in self.full)):
            return ""
        for one in self.full:
            if one.service == migrating or not agreed:
                return f"database {one.what}, where {one} leads,"
        return self.neighbours[0] if self.neighbours and not agreed else ""

    def why_empty(self, *, first: bool, migrating: str = "") -> str:
        """Say why a dump without a table is right; empty where that is not known.

        Args:
            first: True where nothing was promoted to the environment yet.
            migrating: The service that migrates; empty for none.
        """
        if self.against(migrating, agreed=False):
            return ""
        own, empty, server = (self._of(found, migrating) for found in (self.own, self.empty, self.server))
        if own:
            return f"{own[0]} leads to it"
        if self.unknown:
            return ""
        for found, where in (
            (empty, "a database without a table too"),
            (server, "its server, where no database has a table"),
        ):
            if found:
                return f"{found[0]} leads to {where}"
        if first and not self.services and not self.elsewhere:
            return "nothing has been promoted here yet, and no database of the server has a table"
        return ""

    def instead(self, migrating: str, *, unversioned: bool = False) -> str:
        """Say what shows that the service that migrates uses another database than a dumped one with tables.

        Args:
            unversioned: True where the release that runs has migrations of which the dumped database knows nothing.

        Returns:
            A clause; empty where it is the dumped one, or nothing shows.
        """
        every = (*self.full, *self.own, *self.empty, *self.server, *self.elsewhere)
        who = migrating if any(one.service == migrating for one in every) or self.services else ""
        own, others, server, named, away = (
            [one for one in found if one.service == who]
            for found in (self.own, (*self.full, *self.empty), self.server, self.named, self.elsewhere)
        )
        if own or (not others and server and any(not one.what for one in named)):
            return ""
        if others:
            return f"{others[0]} leads to database {others[0].what}"
        if server and named:
            return f"{named[0]} names {named[0].what}"
        if away and not server:
            return f"{away[0]} leads to another server"
        lacks = unversioned and self.neighbours
        return (
            f"of the running release's migrations it knows none, while {self.neighbours[0]} may"
            if lacks
            else ""
        )

    def _of(self, found: tuple[Connection, ...], migrating: str) -> tuple[Connection, ...]:
        """Return the connections that say which database the application uses: a tool's beside it may be any."""
        known = {one.service for one in (*self.full, *self.own, *self.empty, *self.server)} | {*self.services}
        return tuple(
            one for one in found if one.service and (migrating not in known or one.service == migrating)
        )


def parse_others(text: str) -> OtherDatabases:
    """Read what an engine's `other_databases` printed; a line that says nothing known counts as unknown.

    Fields are separated by tabs: `dumped` and `neighbour` with a database's name, its tables and its server's mark;
    `behind` with a variable, its service and those three; `server` and `elsewhere` with a variable and its service;
    `named` with these two and a database's name; `container` with a service that runs; `unknown` with what it is.
    """
    neighbours: list[str] = []
    found: dict[str, list[Connection]] = {"full": [], "own": [], "empty": [], "server": [], "elsewhere": []}
    unknown: list[str] = []
    services: list[str] = []
    dumped, held = None, 0
    counts: dict[str, int] = {}
    names: list[tuple[str, str, str]] = []
    for line in lines(text):
        match line.split("\t"):
            case ["dumped", name, count, since] if count.isdecimal():
                dumped, held = (name, since), int(count)
            case ["neighbour", name, count, _] if count.isdecimal():
                counts[name] = int(count)
                if int(count):
                    neighbours.append(f"database {name} of the same server (tables: {count})")
            case ["behind", key, service, name, count, since] if count.isdecimal():
                own = (name, since) == dumped and (held or not int(count))
                kind = "own" if own else "full" if int(count) else "empty"
                found[kind].append(Connection(key, service, f"{name} (tables: {count})"))
            case ["server" | "elsewhere" as kind, key, service]:
                found[kind].append(Connection(key, service))
            case ["named", key, service, name]:
                names.append((key, service, name))
            case ["container", name]:
                services.append(name)
            case ["unknown", what]:
                unknown.append(what)
            case _ if line.strip():
                unknown.append("an answer that cannot be read")
    return OtherDatabases(
        neighbours=tuple(neighbours),
        # Of one without a table it may be the user's name, or what is yet to come.
        named=tuple(
            Connection(key, service, f"database {name} (tables: {counts[name]})" if name in counts else "")
            for key, service, name in names
            if counts.get(name, 1)
        ),
        unknown=tuple(unknown),
        services=tuple(services),
        **{kind: tuple(connections) for kind, connections in found.items()},
    )
