-- risk: additive
INSERT INTO customers (name, email) VALUES ('System', 'system@example.com');
