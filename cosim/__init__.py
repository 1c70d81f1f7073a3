"""Co-simulation of decentralised multi-modal learning and the radio network under it."""
