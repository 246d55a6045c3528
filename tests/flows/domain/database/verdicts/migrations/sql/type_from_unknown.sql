-- risk: destructive
-- says: from a type that is not known here
-- breaks: INSERT INTO customers (name) VALUES ('Hermenegilda')
ALTER TABLE customers ALTER COLUMN name TYPE VARCHAR(10);
