-- risk: additive
ALTER SEQUENCE invoice_no AS BIGINT CACHE 10;
