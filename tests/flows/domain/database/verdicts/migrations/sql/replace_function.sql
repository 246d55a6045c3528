-- risk: destructive
-- breaks: SELECT net(119)
CREATE OR REPLACE FUNCTION net(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 0';
