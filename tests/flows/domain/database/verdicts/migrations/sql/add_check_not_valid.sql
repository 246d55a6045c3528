-- risk: destructive
-- says: also with NOT VALID
-- breaks: INSERT INTO payments (amount) VALUES (-5)
ALTER TABLE payments ADD CONSTRAINT ck_amount CHECK (amount > 0) NOT VALID;
