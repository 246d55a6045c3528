-- risk: destructive
-- says: the new columns are filled
-- breaks: INSERT INTO orders (customer_id, total) VALUES (1, 7)
ALTER TABLE orders ADD COLUMN currency VARCHAR(3);
UPDATE orders SET currency = 'EUR';
ALTER TABLE orders ALTER COLUMN currency SET NOT NULL;
