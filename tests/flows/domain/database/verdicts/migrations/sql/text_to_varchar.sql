-- risk: destructive
-- type: customers.notes = text
-- breaks: INSERT INTO customers (name, notes) VALUES ('Ada', repeat('x', 300))
ALTER TABLE customers ALTER COLUMN notes TYPE VARCHAR(255);
