-- risk: destructive
-- breaks: SELECT count(*) FROM parents
ALTER TABLE children INHERIT parents;
