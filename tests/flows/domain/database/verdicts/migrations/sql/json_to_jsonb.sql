-- risk: destructive
-- type: orders.payload = json
-- breaks: SELECT json_array_length(payload) FROM orders WHERE payload IS NOT NULL
ALTER TABLE orders ALTER COLUMN payload TYPE JSONB USING payload::jsonb;
