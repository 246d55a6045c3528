-- risk: opaque
-- live: no
ALTER EXTENSION pg_trgm UPDATE;
