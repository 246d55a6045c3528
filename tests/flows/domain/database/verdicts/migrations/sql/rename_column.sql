-- risk: destructive
-- says: move the readers
-- breaks: SELECT name FROM customers
ALTER TABLE customers RENAME COLUMN name TO full_name;
