"""What is shown of a finished run: figures, words and a page."""
