"""Who is trained on, and who holds what."""
