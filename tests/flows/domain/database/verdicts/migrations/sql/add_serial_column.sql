-- risk: locking
ALTER TABLE customers ADD COLUMN number BIGSERIAL;
