"""The lake: events as Iceberg tables, what is computed from them, and SQL on both."""
