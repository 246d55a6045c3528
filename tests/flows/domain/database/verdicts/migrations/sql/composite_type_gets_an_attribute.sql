-- risk: destructive
-- breaks: SELECT ROW(1, 2)::pair
ALTER TYPE pair ADD ATTRIBUTE z INTEGER;
