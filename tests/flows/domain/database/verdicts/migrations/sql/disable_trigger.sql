-- risk: destructive
-- breaks: INSERT INTO tickets (title) VALUES ('stamp me') RETURNING title
ALTER TABLE tickets DISABLE TRIGGER stamp;
