-- risk: destructive
-- alone: true
-- breaks: INSERT INTO customers (name, email) VALUES ('Ada', 'double@example.com'), ('Eve', 'double@example.com')
CREATE UNIQUE INDEX CONCURRENTLY uq_customers_email ON customers (email);
