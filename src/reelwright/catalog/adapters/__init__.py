"""Tables, folders, uploads."""
