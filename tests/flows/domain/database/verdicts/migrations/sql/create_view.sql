-- risk: additive
CREATE VIEW paid_orders AS SELECT id, total FROM orders WHERE status = 'paid';
