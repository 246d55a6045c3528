-- risk: destructive
-- breaks: SELECT net(119)
CREATE TABLE net (id INTEGER);
DROP FUNCTION net;
