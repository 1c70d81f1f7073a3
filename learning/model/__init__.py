"""The multi-modal classifier of every device, its parts, its losses, and how well it does."""
