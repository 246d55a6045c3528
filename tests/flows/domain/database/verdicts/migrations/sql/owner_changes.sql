-- risk: destructive
ALTER TABLE orders OWNER TO CURRENT_USER;
