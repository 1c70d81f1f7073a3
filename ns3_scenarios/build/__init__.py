"""From the description to objects of ns-3."""
