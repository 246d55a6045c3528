-- risk: additive
GRANT SELECT ON orders TO PUBLIC;
