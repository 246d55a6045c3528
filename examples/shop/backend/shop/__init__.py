"""The shop: a small application that Sluice is shown with."""

__version__ = "1.0.0"
