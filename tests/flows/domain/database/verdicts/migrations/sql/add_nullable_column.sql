-- risk: additive
ALTER TABLE customers ADD COLUMN phone VARCHAR(30);
