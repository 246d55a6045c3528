-- risk: locking
ALTER TABLE orders ADD COLUMN seller_id INTEGER;
CREATE INDEX ix_orders_seller ON orders (seller_id);
