-- risk: destructive
-- breaks: INSERT INTO tickets (email) VALUES ('x')
ALTER DOMAIN mail_address ADD CONSTRAINT has_at CHECK (VALUE LIKE '%@%') NOT VALID;
