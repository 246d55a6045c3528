-- risk: additive
ALTER TABLE payments VALIDATE CONSTRAINT ck_later;
