-- risk: opaque
-- says: it calls net
SELECT net(119);
