"""Pure: what is to be seen on GitHub of a promotion."""
