"""The ledger: what was promoted where, by whom, with which receipts. Outsiders use `store` and `records`."""
