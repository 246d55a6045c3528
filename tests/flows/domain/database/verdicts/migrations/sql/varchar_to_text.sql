-- risk: additive
-- type: customers.name = character varying(50)
ALTER TABLE customers ALTER COLUMN name TYPE TEXT;
