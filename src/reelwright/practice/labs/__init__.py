"""Labs: a person writes a decision that production makes too, and the same replay judges both."""
