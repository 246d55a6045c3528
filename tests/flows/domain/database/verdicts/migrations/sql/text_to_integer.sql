-- risk: destructive
-- type: tickets.title = text
-- breaks: INSERT INTO tickets (title) VALUES ('help')
ALTER TABLE tickets ALTER COLUMN title TYPE INTEGER USING length(title);
