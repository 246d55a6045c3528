-- risk: destructive
-- breaks: SELECT count(*) FROM open_orders
DROP VIEW open_orders;
