"""Hypothesis settings for the tests of decisions."""

from __future__ import annotations

from hypothesis import settings

# A busy machine makes single examples slow; that says nothing about the decision under test.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
