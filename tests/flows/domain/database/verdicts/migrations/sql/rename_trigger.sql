-- risk: additive
ALTER TRIGGER stamp ON tickets RENAME TO stamped;
