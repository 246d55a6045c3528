-- risk: destructive
-- breaks: INSERT INTO customers (name, notes) VALUES ('Ada', 'not a number')
ALTER TABLE customers ADD COLUMN number INTEGER GENERATED ALWAYS AS (notes::integer) STORED;
