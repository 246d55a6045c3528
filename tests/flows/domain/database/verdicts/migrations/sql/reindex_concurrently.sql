-- risk: additive
-- alone: true
REINDEX TABLE CONCURRENTLY orders;
