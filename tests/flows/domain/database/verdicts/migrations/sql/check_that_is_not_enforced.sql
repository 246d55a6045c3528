-- risk: additive
-- live: no
ALTER TABLE payments ADD CONSTRAINT ck_amount CHECK (amount > 0) NOT ENFORCED;
