-- risk: destructive
-- says: with all that depends on it
-- breaks: SELECT count(*) FROM open_orders
DROP VIEW open_orders CASCADE;
