-- risk: destructive
-- live: no
ALTER TABLE payments ADD CONSTRAINT nn NOT NULL note NOT VALID;
