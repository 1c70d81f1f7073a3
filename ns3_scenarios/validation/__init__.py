"""The network against theory: formulas (theory_*), and what the simulation makes of them."""
