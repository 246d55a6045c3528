-- risk: destructive
-- breaks: UPDATE keyless SET id = 1
CREATE PUBLICATION everything FOR ALL TABLES;
