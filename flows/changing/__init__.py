"""The change itself, and what follows it."""
