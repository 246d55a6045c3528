-- risk: destructive
-- breaks: INSERT INTO payments (amount) VALUES (7)
CREATE TABLE IF NOT EXISTS payments (id SERIAL PRIMARY KEY);
ALTER TABLE payments ADD COLUMN method VARCHAR(20) NOT NULL;
