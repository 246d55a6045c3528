-- risk: locking
ALTER TABLE orders ADD COLUMN discount INTEGER CHECK (discount BETWEEN 0 AND 100);
