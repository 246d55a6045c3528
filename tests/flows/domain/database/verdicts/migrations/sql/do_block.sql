-- risk: opaque
DO $$ BEGIN
    CREATE TYPE mood AS ENUM ('ok');
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
