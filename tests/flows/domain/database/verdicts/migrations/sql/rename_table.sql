-- risk: destructive
-- breaks: INSERT INTO payments (amount) VALUES (7)
ALTER TABLE payments RENAME TO receipts;
