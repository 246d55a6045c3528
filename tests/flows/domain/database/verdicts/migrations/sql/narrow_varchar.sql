-- risk: destructive
-- type: customers.name = character varying(50)
-- breaks: INSERT INTO customers (name) VALUES ('Hermenegilda')
ALTER TABLE customers ALTER COLUMN name TYPE VARCHAR(10);
