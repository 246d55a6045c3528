-- risk: additive
ALTER TABLE orders SET (fillfactor = 80), ALTER COLUMN reference SET STATISTICS 500, ALTER COLUMN reference SET STORAGE EXTERNAL;
