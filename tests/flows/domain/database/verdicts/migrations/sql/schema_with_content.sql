-- risk: opaque
CREATE SCHEMA audit CREATE TABLE entries (id INTEGER);
