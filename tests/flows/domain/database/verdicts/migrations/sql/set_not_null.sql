-- risk: destructive
-- breaks: INSERT INTO counters (n) VALUES (1)
ALTER TABLE counters ALTER COLUMN seen_at SET NOT NULL;
