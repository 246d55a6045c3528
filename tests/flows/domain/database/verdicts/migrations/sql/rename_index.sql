-- risk: additive
ALTER INDEX ix_orders_customer RENAME TO ix_orders_customer_id;
