"""One file a method; interface.py says what a method is."""
