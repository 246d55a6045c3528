-- risk: locking
-- says: is scanned with reads and writes blocked
ALTER TABLE events ATTACH PARTITION events_2024 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
