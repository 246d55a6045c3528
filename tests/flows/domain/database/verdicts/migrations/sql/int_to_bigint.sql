-- risk: locking
-- type: counters.n = integer
-- says: rewritten
ALTER TABLE counters ALTER COLUMN n TYPE BIGINT;
