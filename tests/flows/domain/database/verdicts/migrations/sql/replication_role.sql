-- risk: opaque
SET session_replication_role = replica;
