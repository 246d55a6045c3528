"""Everything a promotion will need, checked before one needs it."""
