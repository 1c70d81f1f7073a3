"""Local training: one batch for all devices, how fast each modality learns, what it costs."""
