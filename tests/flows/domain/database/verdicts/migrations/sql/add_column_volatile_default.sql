-- risk: locking
-- says: orders (2.0 GB) is rewritten
ALTER TABLE orders ADD COLUMN token UUID DEFAULT gen_random_uuid() NOT NULL;
