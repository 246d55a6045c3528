-- risk: opaque
WITH gone AS (DELETE FROM orders WHERE total = 0 RETURNING id) SELECT count(*) FROM gone;
