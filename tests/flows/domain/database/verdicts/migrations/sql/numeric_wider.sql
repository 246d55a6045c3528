-- risk: additive
-- type: customers.score = numeric(6,2)
ALTER TABLE customers ALTER COLUMN score TYPE NUMERIC(12, 2);
