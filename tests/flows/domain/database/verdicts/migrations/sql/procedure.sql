-- risk: opaque
-- live: no
CALL tidy_up();
