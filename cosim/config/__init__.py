"""What can be configured, where it comes from, and what is made of it."""
