-- risk: destructive
-- breaks: INSERT INTO counters (n) VALUES (1)
ALTER TABLE counters ALTER COLUMN id DROP IDENTITY;
