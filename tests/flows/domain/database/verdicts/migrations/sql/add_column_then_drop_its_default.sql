-- risk: destructive
-- says: loses its default
-- breaks: INSERT INTO orders (customer_id, total) VALUES (1, 7)
ALTER TABLE orders ADD COLUMN channel VARCHAR(10) DEFAULT 'web' NOT NULL;
ALTER TABLE orders ALTER COLUMN channel DROP DEFAULT;
