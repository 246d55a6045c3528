-- risk: additive
-- alone: true
DROP INDEX CONCURRENTLY IF EXISTS ix_orders_customer;
