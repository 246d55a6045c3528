-- risk: additive
CREATE STATISTICS st_orders ON customer_id, status FROM orders;
DROP STATISTICS st_orders;
