-- risk: destructive
-- breaks: INSERT INTO payments (amount) VALUES (7)
ALTER TABLE payments ADD COLUMN method VARCHAR(20) DEFAULT NULL NOT NULL;
