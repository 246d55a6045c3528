-- risk: destructive
-- breaks: INSERT INTO tickets (title) VALUES ('stamp me') RETURNING title
DROP TRIGGER stamp ON tickets;
