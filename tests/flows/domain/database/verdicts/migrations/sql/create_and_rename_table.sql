-- risk: additive
CREATE TABLE basket_new (id SERIAL PRIMARY KEY);
ALTER TABLE basket_new RENAME TO baskets;
ALTER TABLE baskets ADD COLUMN owner INTEGER NOT NULL;
DROP TABLE baskets;
