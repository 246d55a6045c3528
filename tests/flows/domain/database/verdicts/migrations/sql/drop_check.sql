-- risk: additive
ALTER TABLE payments DROP CONSTRAINT ck_later;
