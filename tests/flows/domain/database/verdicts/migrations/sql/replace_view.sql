-- risk: destructive
-- breaks: SELECT count(*) FROM open_orders
CREATE OR REPLACE VIEW open_orders AS SELECT id, total FROM orders WHERE false;
