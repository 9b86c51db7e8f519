"""Where counters live."""
