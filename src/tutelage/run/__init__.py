"""A run from its settings to its folder: starting, resuming, recording."""
