"""The simulation itself: pure, seeded."""
