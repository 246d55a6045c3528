-- risk: additive
ALTER TABLE payments RENAME CONSTRAINT ck_later TO ck_small;
