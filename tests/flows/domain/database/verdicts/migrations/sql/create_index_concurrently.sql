-- risk: additive
-- alone: true
CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_orders_reference ON orders (reference) WHERE reference IS NOT NULL;
