-- risk: additive
ALTER TABLE orders REPLICA IDENTITY FULL;
