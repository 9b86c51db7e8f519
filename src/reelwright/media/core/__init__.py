"""Pure decisions and formats: nothing here reads a file, a clock or a random number."""
