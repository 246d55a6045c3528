-- risk: locking
LOCK TABLE orders IN ACCESS EXCLUSIVE MODE;
