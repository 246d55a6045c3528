-- risk: additive
ANALYZE orders;
