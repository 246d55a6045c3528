-- risk: opaque
-- says: PostgreSQL's parser does not accept its SQL
-- live: no
ALTER TABLE `orders` MODIFY `total` BIGINT NOT NULL;
