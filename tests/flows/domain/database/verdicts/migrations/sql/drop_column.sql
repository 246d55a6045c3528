-- risk: destructive
-- says: in a later one
-- breaks: SELECT notes FROM customers
ALTER TABLE customers DROP COLUMN notes;
