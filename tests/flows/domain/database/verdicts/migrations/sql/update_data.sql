-- risk: opaque
-- says: a data migration
UPDATE orders SET reference = upper(reference) WHERE reference IS NOT NULL;
