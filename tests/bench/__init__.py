"""Measures promotions against a shell script of the same commands."""
