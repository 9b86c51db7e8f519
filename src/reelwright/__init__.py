"""Reelwright: a self-hosted streaming service, and practice for the engineers who build such systems."""

__version__ = "0.1.0"
