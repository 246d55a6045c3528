-- risk: additive
-- says: ON DELETE
ALTER TABLE orders DROP CONSTRAINT orders_customer_id_fkey;
