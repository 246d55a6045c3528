-- risk: additive
-- says: rows of it that new rows refer to can no longer be deleted
ALTER TABLE orders ADD COLUMN seller_id INTEGER REFERENCES customers (id);
