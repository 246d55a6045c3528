-- risk: opaque
-- live: no
BEGIN; SAVEPOINT a; DROP TABLE orders; ROLLBACK TO SAVEPOINT a; COMMIT;
