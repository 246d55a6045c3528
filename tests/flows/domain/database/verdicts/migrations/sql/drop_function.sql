-- risk: destructive
-- breaks: SELECT net(119)
DROP FUNCTION net(integer);
