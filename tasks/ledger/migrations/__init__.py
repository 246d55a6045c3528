"""The migrations of the ledger itself; `tasks.ledger.migrate` runs them."""
