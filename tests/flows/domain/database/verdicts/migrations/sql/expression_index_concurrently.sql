-- risk: additive
-- alone: true
CREATE INDEX CONCURRENTLY ix_lower ON customers (lower(email)) WHERE notes::text <> '';
