-- risk: destructive
-- says: the expression of the index fails
-- breaks: INSERT INTO customers (name, notes) VALUES ('Ada', 'not a number')
CREATE INDEX ix_number ON customers ((notes::integer));
