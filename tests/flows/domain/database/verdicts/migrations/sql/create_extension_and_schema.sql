-- risk: additive
-- live: no
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE SCHEMA reporting;
