"""Training: the loop, the optimizer and its schedule, checkpoints, and how networks are scored."""
