-- What the running release does, one statement on each line: all of it must work after what is not said to break it.
SELECT id, name, email, score, notes FROM customers ORDER BY id
INSERT INTO customers (name) VALUES ('Nobody'), ('Nobody')
INSERT INTO customers (name, email, score, notes) VALUES ('Hermenegilda of a long name', 'h@example.com', 1234.56, repeat('x', 300))
UPDATE customers SET name = 'Ada L.', email = NULL WHERE id = 1
INSERT INTO orders (customer_id, total, payload, reference) VALUES (1, 5, '[1]', 'R-1'), (2, 5, '[1]', 'R-1')
INSERT INTO orders (customer_id) VALUES (NULL)
UPDATE orders SET status = 'paid', total = total + 1 WHERE id = 1
SELECT json_array_length(payload) FROM orders WHERE payload IS NOT NULL
SELECT o.total, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.status = 'paid'
SELECT sum(total) FROM open_orders
SELECT net(119), nextval('invoice_no')
DELETE FROM orders WHERE id = 2
INSERT INTO payments (amount) VALUES (3000000000), (-5)
INSERT INTO tickets (title, state, customer_id, email) VALUES ('help', 'stale', 999, 'x'), ('help', 'new', 999, NULL)
INSERT INTO counters (id, n) VALUES (700, 1)
INSERT INTO counters (n) VALUES (1)
INSERT INTO events (day, kind) VALUES ('2025-06-01', 'sale')
SELECT day, n FROM daily
