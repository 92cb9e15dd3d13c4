"""When things happen: the loop, the optimizer, the run folder, checkpoints."""
