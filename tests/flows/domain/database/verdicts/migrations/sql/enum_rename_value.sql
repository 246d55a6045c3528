-- risk: destructive
-- breaks: INSERT INTO orders (customer_id, status) VALUES (1, 'paid')
ALTER TYPE order_status RENAME VALUE 'paid' TO 'settled';
