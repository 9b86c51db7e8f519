"""Limit algorithms and their grammar: pure step functions of state, time and cost."""
