"""The model card of a run: what the model is, what it learned from, how good it is, and what it is not for."""
