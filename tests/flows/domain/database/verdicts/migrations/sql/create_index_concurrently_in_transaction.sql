-- risk: locking
-- says: the migration fails
-- live: no
BEGIN;
CREATE INDEX CONCURRENTLY ix_orders_reference ON orders (reference);
COMMIT;
