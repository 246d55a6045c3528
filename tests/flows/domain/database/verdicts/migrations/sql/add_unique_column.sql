-- risk: locking
ALTER TABLE customers ADD COLUMN slug VARCHAR(40) UNIQUE;
