-- risk: locking
ALTER TABLE payments SET TABLESPACE pg_default;
