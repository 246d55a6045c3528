-- risk: destructive
-- breaks: INSERT INTO payments (amount) VALUES (7), (8)
ALTER TABLE payments ADD COLUMN receipt VARCHAR(40) DEFAULT '' UNIQUE;
