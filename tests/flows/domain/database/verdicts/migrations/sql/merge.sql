-- risk: opaque
MERGE INTO orders USING customers ON customers.id = orders.customer_id WHEN MATCHED THEN UPDATE SET total = 0;
