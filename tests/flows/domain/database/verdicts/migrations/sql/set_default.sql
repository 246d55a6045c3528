-- risk: additive
-- says: another value
ALTER TABLE orders ALTER COLUMN total SET DEFAULT 1;
