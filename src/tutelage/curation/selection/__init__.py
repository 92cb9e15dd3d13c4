"""Which images to label next: one strategy per file, as functions of arrays."""
