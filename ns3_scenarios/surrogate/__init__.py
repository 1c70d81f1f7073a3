"""The network of kind surrogate: exchanges of frames, of which no packet is simulated."""
