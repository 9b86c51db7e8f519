"""Where media touches the world: ffmpeg, PyAV, the database."""
