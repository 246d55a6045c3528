INSERT INTO customers (name) VALUES ('System');
