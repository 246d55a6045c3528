-- risk: opaque
-- live: no
ALTER DATABASE shop SET search_path TO shop;
