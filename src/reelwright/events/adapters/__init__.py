"""Log files and tables."""
