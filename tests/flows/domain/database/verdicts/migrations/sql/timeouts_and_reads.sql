-- risk: additive
SET lock_timeout = '5s';
SET LOCAL statement_timeout TO 60000;
SELECT count(*) FROM orders;
