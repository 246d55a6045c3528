-- risk: destructive
-- breaks: INSERT INTO payments (amount) VALUES (7)
ALTER TABLE payments ADD COLUMN method TEXT CHECK (method IS NOT NULL);
