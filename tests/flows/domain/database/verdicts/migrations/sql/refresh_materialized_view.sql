-- risk: locking
REFRESH MATERIALIZED VIEW daily;
