"""The composition root: everything is wired, served and commanded here."""
