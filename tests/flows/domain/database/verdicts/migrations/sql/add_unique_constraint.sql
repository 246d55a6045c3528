-- risk: destructive
-- breaks: INSERT INTO tickets (title) VALUES ('same'), ('same')
ALTER TABLE tickets ADD CONSTRAINT uq_tickets_title UNIQUE (title);
