-- risk: destructive
-- breaks: SELECT count(*) FROM elders
ALTER TABLE heirs NO INHERIT elders;
