-- risk: opaque
-- live: no
ALTER TABLE customers ADD COLUMN phone TEXT DEFAULT 'unkn
