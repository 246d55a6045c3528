-- risk: additive
CREATE TYPE priority AS ENUM ('low', 'high');
ALTER TABLE orders ADD COLUMN priority priority DEFAULT 'low' NOT NULL;
