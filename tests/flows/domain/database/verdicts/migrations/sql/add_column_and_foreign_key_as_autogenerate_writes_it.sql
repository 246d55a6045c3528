-- risk: locking
-- says: NOT VALID
ALTER TABLE orders ADD COLUMN seller_id INTEGER;
ALTER TABLE orders ADD FOREIGN KEY(seller_id) REFERENCES customers (id);
