-- risk: destructive
-- type: customers.score = numeric(6,2)
-- breaks: INSERT INTO customers (name, score) VALUES ('Ada', 1234.5)
ALTER TABLE customers ALTER COLUMN score TYPE NUMERIC(6, 4);
