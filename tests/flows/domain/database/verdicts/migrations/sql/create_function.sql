-- risk: additive
CREATE FUNCTION gross(amount integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    -- DROP TABLE orders;
    RETURN amount * 119 / 100;
END $$;
