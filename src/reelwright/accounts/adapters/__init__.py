"""Passwords and tables."""
