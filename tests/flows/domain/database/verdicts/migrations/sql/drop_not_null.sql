-- risk: additive
ALTER TABLE customers ALTER COLUMN name DROP NOT NULL;
