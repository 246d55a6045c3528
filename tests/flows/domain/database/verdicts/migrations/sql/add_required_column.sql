-- risk: destructive
-- says: NOT NULL without a default
-- breaks: INSERT INTO payments (amount) VALUES (7)
ALTER TABLE payments ADD COLUMN method VARCHAR(20) NOT NULL;
