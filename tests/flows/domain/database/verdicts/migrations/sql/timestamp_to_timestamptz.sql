-- risk: destructive
-- type: counters.seen_at = timestamp without time zone
-- breaks: INSERT INTO counters (n, seen_at) VALUES (1, now()) RETURNING pg_typeof(seen_at)::text
ALTER TABLE counters ALTER COLUMN seen_at TYPE TIMESTAMP WITH TIME ZONE USING seen_at AT TIME ZONE 'UTC';
