-- risk: opaque
INSERT INTO customers (id, name) VALUES (1, 'Root') ON CONFLICT (id) DO UPDATE SET name = excluded.name;
