-- risk: destructive
-- says: all rows of orders (2.0 GB) are deleted
-- breaks: SELECT count(*) FROM orders
TRUNCATE orders;
