-- risk: destructive
-- breaks: INSERT INTO keyless (id) VALUES (NULL)
ALTER TABLE keyless ADD PRIMARY KEY (id);
