-- risk: locking
-- type: counters.n = integer
-- says: written anew
ALTER TABLE counters ALTER COLUMN n TYPE BIGINT;
