-- risk: destructive
-- breaks: INSERT INTO orders (customer_id) VALUES (1)
ALTER TABLE orders ALTER COLUMN total DROP DEFAULT;
