"""What a run leaves in its folder, and what of it can be believed."""
