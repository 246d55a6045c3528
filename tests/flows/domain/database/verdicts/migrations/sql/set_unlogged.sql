-- risk: locking
ALTER TABLE payments SET UNLOGGED;
