-- risk: destructive
-- breaks: INSERT INTO counters (id, n) VALUES (700, 1)
ALTER TABLE counters ALTER COLUMN id SET GENERATED ALWAYS;
