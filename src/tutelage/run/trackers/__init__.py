"""Experiment trackers that a training also writes to, by name: MLflow and Weights & Biases."""
