"""Engines of the lake."""
