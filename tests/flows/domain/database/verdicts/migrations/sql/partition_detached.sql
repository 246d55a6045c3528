-- risk: destructive
-- breaks: INSERT INTO events (day) VALUES ('2025-06-01')
ALTER TABLE events DETACH PARTITION events_2025;
