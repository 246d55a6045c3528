-- risk: additive
SELECT id, total INTO orders_copy FROM orders;
ALTER TABLE orders_copy ADD COLUMN x INTEGER NOT NULL DEFAULT 0;
DELETE FROM orders_copy;
