"""The iteration optimizer, and what computing costs on a device."""
