-- risk: additive
ALTER TABLE customers ADD COLUMN settings JSONB DEFAULT '{}'::jsonb NOT NULL, ADD COLUMN tags TEXT[] DEFAULT ARRAY[]::text[];
