"""One file for each kind of file that a model is exported to."""
