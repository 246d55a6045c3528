-- risk: locking
ALTER TABLE tickets ADD COLUMN slug TEXT;
ALTER TABLE tickets ADD CONSTRAINT uq_slug UNIQUE (slug);
