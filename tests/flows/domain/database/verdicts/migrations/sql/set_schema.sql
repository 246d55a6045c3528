-- risk: destructive
-- breaks: SELECT count(*) FROM tickets
CREATE SCHEMA support;
ALTER TABLE tickets SET SCHEMA support;
