-- risk: locking
REINDEX TABLE orders;
