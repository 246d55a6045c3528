-- risk: additive
ALTER TABLE tickets ADD CONSTRAINT uq_code UNIQUE USING INDEX ix_tickets_code;
