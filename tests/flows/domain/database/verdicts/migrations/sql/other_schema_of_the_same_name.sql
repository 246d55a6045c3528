-- risk: destructive
-- breaks: INSERT INTO payments (amount) VALUES (7)
CREATE SCHEMA archive;
CREATE TABLE archive.payments (id SERIAL PRIMARY KEY);
ALTER TABLE payments ADD COLUMN method TEXT NOT NULL;
