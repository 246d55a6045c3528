-- risk: locking
ALTER TABLE orders ADD COLUMN shop_id INTEGER DEFAULT 1 REFERENCES customers (id);
