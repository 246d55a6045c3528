-- risk: destructive
-- says: has another name
ALTER TABLE payments RENAME TO receipts;
CREATE VIEW payments AS SELECT * FROM receipts;
