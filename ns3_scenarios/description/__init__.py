"""Plain data: what a network is to be. Knows nothing of ns-3."""
