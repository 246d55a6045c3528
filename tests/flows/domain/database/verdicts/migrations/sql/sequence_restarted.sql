-- risk: opaque
ALTER SEQUENCE invoice_no RESTART WITH 1;
