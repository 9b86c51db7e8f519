"""What practice reads from outside."""
