-- risk: additive
-- type: customers.name = character varying(50)
-- says: nothing is rewritten
ALTER TABLE customers ALTER COLUMN name TYPE VARCHAR(200);
