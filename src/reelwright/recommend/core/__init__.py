"""Which titles, in which rows, and why: pure."""
