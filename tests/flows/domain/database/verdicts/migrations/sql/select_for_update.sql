-- risk: locking
SELECT id FROM orders FOR UPDATE;
