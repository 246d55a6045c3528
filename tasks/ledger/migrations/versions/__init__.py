"""One file per version of the schema, oldest first. A released one is never edited."""
