-- risk: destructive
REVOKE SELECT ON orders FROM PUBLIC;
