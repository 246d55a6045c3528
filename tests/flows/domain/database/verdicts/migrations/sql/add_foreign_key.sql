-- risk: destructive
-- breaks: INSERT INTO tickets (customer_id) VALUES (999)
ALTER TABLE tickets ADD CONSTRAINT fk_customer FOREIGN KEY (customer_id) REFERENCES customers (id);
