"""A rollback: where it goes, what becomes of the database, and the way back itself."""
