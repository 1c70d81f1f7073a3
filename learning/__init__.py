"""Decentralised multi-modal learning: data, models, the method, and the mixing of models."""
