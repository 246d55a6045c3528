-- risk: locking
-- alone: true
VACUUM (FULL, ANALYZE) orders;
