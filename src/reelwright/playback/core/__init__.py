"""The choice of tracks for a device: pure."""
