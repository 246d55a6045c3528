"""Watching a release once it runs."""
