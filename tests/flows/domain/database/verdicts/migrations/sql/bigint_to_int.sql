-- risk: destructive
-- type: payments.amount = bigint
-- breaks: INSERT INTO payments (amount) VALUES (3000000000)
ALTER TABLE payments ALTER COLUMN amount TYPE INTEGER;
