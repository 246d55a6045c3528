-- risk: locking
-- live: no
BEGIN;
REINDEX (CONCURRENTLY) INDEX ix_orders_customer;
DROP INDEX CONCURRENTLY ix_orders_customer;
VACUUM orders;
COMMIT;
