-- risk: locking
ALTER TABLE orders ADD COLUMN channel TEXT DEFAULT 'web';
ALTER TABLE orders ALTER COLUMN channel SET NOT NULL;
