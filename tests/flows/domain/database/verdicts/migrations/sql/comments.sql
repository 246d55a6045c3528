-- risk: additive
COMMENT ON TABLE orders IS 'Orders; never DROP TABLE orders';
COMMENT ON COLUMN orders.total IS 'in cents';
