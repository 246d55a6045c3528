-- risk: additive
ALTER TABLE orders ADD COLUMN seller_id INTEGER;
ALTER TABLE orders ADD CONSTRAINT fk_seller FOREIGN KEY (seller_id) REFERENCES customers (id) ON DELETE SET NULL NOT VALID;
