-- risk: locking
ALTER TABLE orders ADD COLUMN total_net INTEGER GENERATED ALWAYS AS (total * 100 / 119) STORED;
