-- risk: destructive
-- breaks: SELECT count(*) FROM tickets
DROP TABLE tickets;
