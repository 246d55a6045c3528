-- risk: locking
-- live: no
ALTER DOMAIN mail_address VALIDATE CONSTRAINT has_at;
