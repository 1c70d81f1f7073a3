"""One file a method; learning/method.py says what a method is."""
