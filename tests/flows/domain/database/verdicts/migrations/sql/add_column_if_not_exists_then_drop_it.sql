-- risk: destructive
-- breaks: SELECT notes FROM customers
ALTER TABLE customers ADD COLUMN IF NOT EXISTS notes TEXT;
ALTER TABLE customers DROP COLUMN notes;
