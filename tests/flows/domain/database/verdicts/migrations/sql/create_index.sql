-- risk: locking
-- says: writes to orders (2.0 GB) are blocked
CREATE INDEX ix_orders_reference ON orders (reference);
